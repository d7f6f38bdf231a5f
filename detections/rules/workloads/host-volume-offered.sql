/*---
id: host-volume-offered
title: A PersistentVolume opens a directory of a node
techniques: [N49]
status: stable
severity: high
confidence: high
attack: [T1611]
threat_matrix: [MS-TA9013]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [persistentvolumes]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A pod that claims the volume mounts the node's files and its own spec shows only a claim: every rule and every
  policy about hostPath is passed by.
blind_spots: >-
  Volumes of storage drivers that lead to a node by other means.
false_positives: >-
  Local storage provisioners, and labs. They use directories of their own.
triage:
  - Which claim took it, and which pod mounts that?
  - Delete the volume; look at what the pod did.
---*/
WITH volumes AS (
    SELECT *, coalesce(json_extract_string(merged, '$.spec.hostPath.path'), json_extract_string(document, '$.spec.hostPath.path')) AS host_path,
           coalesce(json_extract_string(merged, '$.spec.local.path'), json_extract_string(document, '$.spec.local.path')) AS local_path
    FROM written_documents
    WHERE resource = 'persistentvolumes' AND subresource IS NULL
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN NOT regexp_matches(coalesce(host_path, local_path), '^/*(\.?/*)*$|^/+(etc|root|proc|sys|boot|dev|run|var/run|var/log|home|usr|var/lib/(kubelet|etcd|docker|containerd))(/|$)|\.\.') THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || CASE WHEN applied THEN ' offered ' ELSE ' tried to offer ' END || coalesce(host_path, local_path) || ' of a node as PersistentVolume ' || coalesce(object_name, '') AS detail
FROM volumes
WHERE (host_path IS NOT NULL OR local_path IS NOT NULL)
  AND NOT (impersonated_user_name IS NULL AND is_built_in_controller(service_account_namespace, service_account_name) AND service_account_name = 'persistent-volume-binder')
