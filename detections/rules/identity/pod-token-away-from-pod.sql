/*---
id: pod-token-away-from-pod
title: The token of a pod was used away from its pod
techniques: [N02]
status: stable
severity: high
confidence: medium
attack: [T1528, T1550.001]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [pods/status]}
window: 1h
entity: [user_name, pod_name, source_ip]
params:
  least_pods:
    default: 3
    why: Pods that were seen at their own address before the rule believes that the kube-apiserver sees pods' addresses at all.
why: >-
  The kube-apiserver vouches for the pod that a token was made for, and the kubelet reports that pod's address.
  A request with the token from any other address was made by somebody who copied it.
blind_spots: >-
  Clusters in which pods reach the kube-apiserver behind an address translation; pods that started before the log begins; a
  thief on the pod's own node, whose address is the node's. A kubelet's stolen credential can report false addresses.
false_positives: >-
  Networks that translate addresses of some pods only, and pods with several network interfaces.
triage:
  - Which pod or machine has that address? Look for it in pods/status.
  - What did it do with the token?
  - Delete the pod, which ends its token, and find out how it was read (exec, a volume, the node).
---*/
WITH used AS (
    SELECT * FROM appearances WHERE pod_uid IS NOT NULL
),
reported AS (
    SELECT cluster, user_name, user_groups, json_extract_string(request_object, '$.metadata.uid') AS pod_uid,
           list_concat(json_extract_string(request_object, '$.status.podIPs[*].ip'), json_extract_string(request_object, '$.status.hostIPs[*].ip'),
                       [json_extract_string(request_object, '$.status.podIP'), json_extract_string(request_object, '$.status.hostIP')]) AS addresses
    FROM requests
    WHERE resource = 'pods' AND subresource = 'status' AND verb IN ('patch', 'update') AND starts_with(user_name, 'system:node:')
      AND succeeded(response_code) AND contains(request_object, '"podIP')
      AND (cluster, namespace, name) IN (SELECT (cluster, service_account_namespace, pod_name) FROM used)
),
homes AS (
    SELECT cluster, pod_uid, flatten(list(addresses)) AS addresses FROM reported WHERE is_node(user_name, user_groups) GROUP BY ALL
),
compared AS (
    SELECT u.*, h.addresses, list_contains(h.addresses, u.source_ip) AS at_home,
           count(DISTINCT u.pod_uid) FILTER (list_contains(h.addresses, u.source_ip)) OVER (PARTITION BY u.cluster) AS pods_at_home
    FROM used AS u JOIN homes AS h ON h.cluster = u.cluster AND h.pod_uid = u.pod_uid
)
SELECT cluster, event_id, first_at AS request_received_at, user_name, pod_name, source_ip,
       user_name || ' used the token of pod ' || service_account_namespace || '/' || pod_name || ' from ' || source_ip || ', which is not the pod''s address' AS detail
FROM compared
WHERE NOT at_home AND pods_at_home >= $least_pods
  AND NOT EXISTS (SELECT 1 FROM cluster_addresses AS c WHERE c.cluster = compared.cluster AND c.source_ip = compared.source_ip)
