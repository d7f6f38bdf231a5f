/*---
id: daemonset-created
title: A DaemonSet was created
techniques: [C18]
status: stable
severity: low
confidence: high
attack: [T1543.005, T1610]
threat_matrix: [MS-TA9012]
layer: container
control: detection
practice: runtime
needs: {verbs: [create, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A DaemonSet runs on every node there is and every node to come.
blind_spots: >-
  Agents that come as pods or by other controllers.
false_positives: >-
  Installing agents.
triage:
  - What does it run on every node?
  - Who asked for it?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) OR is_dry_run(request_uri) THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || ' created DaemonSet ' || coalesce(namespace || '/', '') || coalesce(name, '') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource = 'daemonsets' AND subresource IS NULL AND (verb = 'create' OR (verb = 'patch' AND response_code = 201))
