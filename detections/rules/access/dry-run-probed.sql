/*---
id: dry-run-probed
title: Somebody tried dangerous things in a dry run
techniques: [N19]
status: stable
severity: low
confidence: medium
attack: [T1613]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: rbac
needs: {verbs: [create, update, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A dry run answers whether something would be allowed and admitted, and stores nothing: a quiet way to find out
  how far one gets.
blind_spots: >-
  Probing by doing.
false_positives: >-
  kubectl diff, and GitOps tools that compare by server-side dry runs.
triage:
  - What was tried, and was it done afterwards?
  - May this identity do it at all, and why would it want to?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN service_account_name IS NOT NULL OR resource IN ('pods', 'serviceaccounts') AND subresource IS NULL AND succeeded(response_code) THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || ' tried to ' || verb || ' ' || concat_ws('/', resource, subresource) || ' ' || coalesce(namespace || '/', '') || coalesce(name, '') || ' in a dry run' || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource IN ('pods', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings', 'serviceaccounts', 'mutatingwebhookconfigurations', 'validatingwebhookconfigurations', 'certificatesigningrequests', 'secrets')
  AND verb IN ('create', 'update', 'patch') AND is_dry_run(request_uri)
