/*---
id: storage-deleted
title: Volumes, snapshots or backups were deleted
techniques: [N43]
status: stable
severity: medium
confidence: medium
attack: [T1485, T1490]
threat_matrix: [MS-TA9038]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  many:
    default: 5
    why: Volumes or snapshots deleted within ten minutes before and after, from which on it is high.
why: >-
  A claim takes its volume with it unless somebody said otherwise; snapshots and backups are what would bring it back.
  Who extorts deletes them first. Taking away finalizers removes what was kept back on purpose.
blind_spots: >-
  Data deleted from within a pod, or in the storage itself. Backups outside the cluster.
false_positives: >-
  Taking an application out; backup tools that let old backups expire are left out when they are service accounts.
triage:
  - Does the data still exist (reclaim policy, snapshots in the storage)?
  - Was it agreed on?
  - What else did the identity delete?
---*/
WITH deleted AS (
    SELECT * FROM deletions
    WHERE (resource IN ('persistentvolumeclaims', 'persistentvolumes')
           OR (api_group IN ('snapshot.storage.k8s.io', 'velero.io', 'backup.kasten.io', 'config.kio.kasten.io', 'longhorn.io', 'resources.cattle.io')
               AND resource IN ('volumesnapshots', 'volumesnapshotcontents', 'backups', 'backupstoragelocations', 'schedules', 'snapshots', 'volumes')))
      -- Drivers and backup tools keep house under their own service accounts.
      AND NOT (impersonated_user_name IS NULL AND service_account_name IS NOT NULL AND verb <> 'deletecollection')
    UNION ALL BY NAME
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, service_account_name, source_ip, verb, resource, namespace, name,
           response_code, decision, response_message, took_effect(verb, level, response_code, request_uri, request_object) AS applied
    FROM requests
    WHERE resource IN ('persistentvolumeclaims', 'persistentvolumes') AND verb = 'patch' AND subresource IS NULL AND contains(request_object, 'finalizers')
      AND NOT (impersonated_user_name IS NULL AND service_account_name IS NOT NULL)
      AND NOT (impersonated_user_name IS NULL AND is_control_plane(user_name, user_groups, source_ip))
),
counted AS (
    SELECT *, count(*) FILTER (WHERE applied AND verb <> 'patch') OVER (PARTITION BY cluster, user_name, impersonated_user_name ORDER BY request_received_at
                             RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND INTERVAL 10 MINUTES FOLLOWING) AS near
    FROM deleted
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN verb = 'deletecollection' OR near >= $many THEN 'high'
            WHEN resource IN ('persistentvolumeclaims', 'persistentvolumes') AND verb = 'delete' THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, CASE verb WHEN 'patch' THEN 'changed the finalizers of' ELSE 'deleted' END,
           CASE verb WHEN 'patch' THEN 'change the finalizers of' ELSE 'delete' END)
           || CASE verb WHEN 'deletecollection' THEN 'all ' ELSE '' END || thing(resource, NULL, namespace, name)
           || outcome(applied, response_code, decision, response_message) AS detail
FROM counted
