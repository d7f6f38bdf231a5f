/*---
id: secret-read-through-arc
title: A secret was read through the Azure Arc proxy
techniques: [B24]
status: stable
severity: medium
confidence: low
attack: [T1552.007, T1078.004]
threat_matrix: [MS-TA9025]
layer: cloud
control: detection
practice: secrets
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
claims: [user_agent]
why: >-
  Azure Arc's cluster connect lets cloud identities in from anywhere; what is read that way passes no network
  control of the cluster.
blind_spots: >-
  The proxy is known by its service account and by what it says it is: the user agent is a claim.
false_positives: >-
  Administrators who work through Arc.
triage:
  - Which cloud identity was it (impersonated user)?
  - Do they work through Arc, and from where?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'low' WHEN resource = 'configmaps' THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, '*') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource IN ('secrets', 'configmaps') AND verb IN ('get', 'list', 'watch', 'create', 'update', 'patch', 'delete') AND impersonated_user_name IS NOT NULL
  AND ((service_account_namespace = 'azure-arc' AND service_account_name = 'azure-arc-kube-aad-proxy-sa') OR contains(user_agent, 'clusterconnect'))
