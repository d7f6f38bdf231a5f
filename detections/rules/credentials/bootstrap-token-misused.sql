/*---
id: bootstrap-token-misused
title: A bootstrap token did more than let a node join
techniques: [B19]
status: stable
severity: high
confidence: high
attack: [T1078, T1552]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: cluster-components
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A bootstrap token is there to ask for one certificate. Anything else with it is somebody who found it.
blind_spots: >-
  Asking for a certificate with it looks like a node.
false_positives: >-
  None known.
triage:
  - Delete the token's secret in kube-system.
  - Which certificates did it ask for?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' ' || coalesce(concat_ws('/', resource, subresource), uri_path(request_uri)) || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE (list_contains(user_groups, 'system:bootstrappers') OR starts_with(user_name, 'system:bootstrap:') OR user_name = 'kubelet-bootstrap')
  AND NOT (resource IS NULL)
  AND NOT (resource = 'certificatesigningrequests' AND verb IN ('create', 'get', 'list', 'watch'))
  AND NOT (resource IN ('configmaps') AND namespace IN ('kube-system', 'kube-public') AND verb = 'get')
  AND NOT (resource = 'selfsubjectaccessreviews')
  AND NOT (resource = 'nodes' AND verb = 'get')
