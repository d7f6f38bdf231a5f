/*---
id: names-guessed
title: Somebody guessed names of objects
techniques: [N10]
status: stable
severity: low
confidence: medium
attack: [T1613]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: rbac
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  least_names:
    default: 10
    why: Different names that do not exist, of one kind, within ten minutes.
why: >-
  Ten different names that do not exist, asked for by somebody who may read them, is a search for what somebody
  else made.
blind_spots: >-
  Guesses spread over hours.
false_positives: >-
  Controllers that wait for objects to appear ask for the same name again.
triage:
  - What was looked for, and was it found in the end?
  - Where does it come from, and with which credential?
---*/
WITH missed AS (
    SELECT *, count(DISTINCT name) OVER near AS names
    FROM requests
    WHERE response_code = 404 AND verb IN ('get', 'delete') AND name IS NOT NULL AND resource IN ('secrets', 'configmaps', 'pods', 'serviceaccounts', 'services', 'namespaces', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings', 'nodes')
      AND NOT is_node(user_name, user_groups) AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
    WINDOW near AS (PARTITION BY cluster, user_name, impersonated_user_name, source_ip, resource ORDER BY request_received_at RANGE BETWEEN INTERVAL 5 MINUTE PRECEDING AND INTERVAL 5 MINUTE FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN resource IN ('secrets', 'serviceaccounts') AND service_account_name IS NULL AND names >= 2 * $least_names THEN 'medium' WHEN service_account_name IS NOT NULL OR resource <> 'secrets' THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || ' asked for ' || resource || ' ' || coalesce(namespace || '/', '') || name || ', which is not there, one of ' || names || ' names' AS detail
FROM missed WHERE names >= $least_names
