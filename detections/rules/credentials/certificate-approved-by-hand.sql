/*---
id: certificate-approved-by-hand
title: A certificate request was approved by hand
techniques: [B15, B16]
status: stable
severity: medium
confidence: high
attack: [T1649]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {verbs: [update, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Approving is what makes a certificate. Who approves what they asked for themselves needs nobody else.
blind_spots: >-
  An approver who acts under another name.
false_positives: >-
  Kubelet serving certificates, which many clusters approve by hand.
triage:
  - Who asked for it, and for whom?
  - Was it the same person?
---*/
WITH asked AS (
    SELECT cluster, coalesce(name, CASE WHEN json_valid(response_object) THEN json_extract_string(response_object, '$.metadata.name') END) AS name, coalesce(impersonated_user_name, user_name) AS asker, request_received_at AS asked_at
    FROM requests WHERE resource = 'certificatesigningrequests' AND subresource IS NULL AND verb = 'create' AND succeeded(response_code)
)
SELECT a.cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'low' WHEN EXISTS (SELECT 1 FROM asked AS c WHERE c.cluster = a.cluster AND c.name = a.name AND c.asker = coalesce(a.impersonated_user_name, a.user_name)) THEN 'high' END AS severity,
       actor(user_name, impersonated_user_name) || ' approved the certificate request ' || coalesce(name, '') || CASE WHEN EXISTS (SELECT 1 FROM asked AS c WHERE c.cluster = a.cluster AND c.name = a.name AND c.asker = coalesce(a.impersonated_user_name, a.user_name)) THEN ' that they made themselves' ELSE '' END || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests AS a
WHERE resource = 'certificatesigningrequests' AND subresource = 'approval' AND verb IN ('update', 'patch') AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
