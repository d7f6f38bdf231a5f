/*---
id: others-permissions-checked
title: Somebody looked into the tokens or rights of others
techniques: [C26]
status: stable
severity: medium
confidence: medium
attack: [T1528, T1069.003]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: rbac
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  asking_namespaces:
    default: [kube-system]
    why: Namespaces whose service accounts authenticate and authorize requests of others.
why: >-
  TokenReview tells whose a found token is, SubjectAccessReview what somebody else may do. Kubelets and API
  servers ask that all day; people hardly ever.
blind_spots: >-
  Service accounts that are meant to ask: they are told as low.
false_positives: >-
  kubectl auth can-i --as is another request. Authenticating proxies and operators.
triage:
  - Whose token was it (at level Request the answer says it)?
  - May this person ask such things?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'low' WHEN service_account_name IS NOT NULL THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || CASE resource WHEN 'tokenreviews' THEN ' checked somebody''s token' ELSE ' checked what somebody else may do' END || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource IN ('tokenreviews', 'subjectaccessreviews', 'localsubjectaccessreviews') AND verb = 'create'
  AND NOT (impersonated_user_name IS NULL AND (is_node(user_name, user_groups) OR is_control_plane(user_name, user_groups, source_ip) OR user_name = 'system:apiserver'))
  AND NOT (impersonated_user_name IS NULL AND service_account_namespace IS NOT NULL AND list_contains($asking_namespaces, service_account_namespace))
