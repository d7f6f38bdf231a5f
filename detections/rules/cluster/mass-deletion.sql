/*---
id: mass-deletion
title: Somebody deleted much in a short time
techniques: [N43, F11]
status: stable
severity: high
confidence: medium
attack: [T1485, T1490]
threat_matrix: [MS-TA9038]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, verbs: [delete, deletecollection]}
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
params:
  least_weight:
    default: 20
    why: >-
      Weight within ten minutes before and after. A namespace, and all of a kind in one, weigh ten; volumes and
      StatefulSets three, other workloads two, everything else one.
  vast_weight:
    default: 200
    why: Weight from which on somebody is destroying the cluster.
why: >-
  Destruction, and the end of extortion, look alike: one identity deletes workloads, data and configuration faster
  than anybody works. One deletecollection is one line of the log and takes everything of a kind.
blind_spots: >-
  Slower than the threshold. What is overwritten instead of deleted.
false_positives: >-
  Taking an environment down. In one namespace alone, and from service accounts, it is medium.
triage:
  - Stop the identity first; ask afterwards.
  - Which volumes and backups are still there?
  - What was deleted? The request_uri of each piece of evidence says it.
---*/
WITH made AS (
    SELECT DISTINCT cluster, user_name, coalesce(name, json_extract_string(response_object, '$.metadata.name')) AS name
    FROM requests
    WHERE resource = 'namespaces' AND subresource IS NULL AND (verb = 'create' OR (verb = 'patch' AND response_code = 201)) AND succeeded(response_code)
),
deleted AS (
    SELECT *,
           CASE WHEN resource = 'namespaces' OR verb = 'deletecollection' THEN 10
                WHEN resource IN ('persistentvolumeclaims', 'persistentvolumes', 'statefulsets', 'volumesnapshots', 'volumesnapshotcontents', 'customresourcedefinitions') THEN 3
                WHEN resource IN ('deployments', 'daemonsets', 'cronjobs') THEN 2 ELSE 1 END AS weight
    FROM deletions
    WHERE applied AND resource <> 'events'
      -- Who takes down what they put up destroys nothing of others.
      AND NOT (resource = 'namespaces' AND (cluster, user_name, name) IN (SELECT (cluster, user_name, name) FROM made))
),
bursts AS (
    SELECT *, sum(weight) OVER near AS total,
           count(DISTINCT coalesce(CASE resource WHEN 'namespaces' THEN name ELSE namespace END, '*')) OVER near AS namespaces
    FROM deleted
    WINDOW near AS (PARTITION BY cluster, user_name, impersonated_user_name ORDER BY request_received_at
                    RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND INTERVAL 10 MINUTES FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN total >= $vast_weight AND namespaces > 1 THEN 'critical'
            WHEN namespaces = 1 OR (impersonated_user_name IS NULL AND service_account_name IS NOT NULL) THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' deleted ' || CASE verb WHEN 'deletecollection' THEN 'all ' ELSE '' END || thing(resource, NULL, namespace, name) AS detail
FROM bursts
WHERE total >= $least_weight
