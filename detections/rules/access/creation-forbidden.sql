/*---
id: creation-forbidden
title: Somebody was not allowed to create something
techniques: [A06]
status: stable
severity: low
confidence: medium
attack: [T1610]
threat_matrix: [MS-TA9008]
layer: cluster
control: detection
practice: rbac
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A refused creation is an intent: the credential does not reach as far as its user wishes. Server-side apply
  creates with patch.
blind_spots: >-
  What is allowed.
false_positives: >-
  New pipelines with narrow roles.
triage:
  - Is the identity new, or its task?
  - What did it try before and after?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN service_account_name IS NOT NULL OR is_node(user_name, user_groups) THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || ' was not allowed to ' || verb || ' ' || concat_ws('/', resource, subresource) || ' ' || coalesce(namespace || '/', '') || coalesce(name, '') AS detail
FROM requests
WHERE verb IN ('create', 'patch', 'update') AND decision = 'forbid' AND response_code = 403 AND NOT ends_with(resource, 'reviews') AND NOT is_anonymous(user_name, user_groups)
