/*---
id: node-identity-misused
title: A node did what kubelets do not do
techniques: [N07, N08]
status: stable
severity: high
confidence: medium
attack: [T1078, T1550]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: cluster-components
needs: {verbs: [create, update, patch, delete, list]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A kubelet's credential is trusted by everybody and excluded by most rules. It touches its own node, its own
  lease and its own pods; anything else is somebody with the node's disk.
blind_spots: >-
  A thief who behaves like the kubelet of that node, from that node.
false_positives: >-
  Agents that borrow the kubelet's kubeconfig.
triage:
  - Take the node out of service and rotate its certificate.
  - What else did this identity do (identity page)?
---*/
WITH acts AS (
    SELECT *, substr(user_name, 13) AS own_node FROM requests
    WHERE is_node(user_name, user_groups) AND impersonated_user_name IS NULL AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection', 'list', 'watch')
      AND resource IN ('nodes', 'leases', 'csinodes', 'secrets', 'configmaps', 'serviceaccounts', 'pods', 'deployments', 'daemonsets', 'cronjobs', 'jobs', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings', 'certificatesigningrequests', 'namespaces')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN coalesce(succeeded(response_code), response_code IS NULL) THEN NULL WHEN resource IN ('roles', 'rolebindings', 'clusterroles', 'clusterrolebindings', 'secrets') THEN 'high' ELSE 'medium' END AS severity,
       user_name || ' ' || verb || ' ' || concat_ws('/', resource, subresource) || ' ' || coalesce(namespace || '/', '') || coalesce(name, '*') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM acts
WHERE (resource IN ('nodes', 'csinodes') AND verb NOT IN ('list', 'watch') AND name <> own_node)
   OR (resource = 'leases' AND verb NOT IN ('list', 'watch') AND namespace = 'kube-node-lease' AND name <> own_node)
   OR (resource IN ('deployments', 'daemonsets', 'cronjobs', 'jobs', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings') )
   OR (resource IN ('secrets', 'configmaps') AND (verb NOT IN ('list', 'watch') OR (name IS NULL AND NOT contains(request_uri, 'fieldSelector'))))
   OR (resource = 'serviceaccounts' AND verb NOT IN ('list', 'watch') AND subresource IS NULL)
   OR (resource = 'pods' AND subresource IN ('exec', 'attach', 'portforward'))
