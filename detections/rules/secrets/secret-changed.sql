/*---
id: secret-changed
title: A secret was changed or deleted
techniques: [B10]
status: stable
severity: informational
confidence: high
attack: [T1098, T1485]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
params:
  many_secrets:
    default: 3
    why: Different secrets overwritten or deleted by a person within twenty minutes.
why: >-
  Who writes secrets decides what others trust. Many overwritten in a row is a ransom.
blind_spots: >-
  What was written: values are never stored.
false_positives: >-
  Releases and rotation.
triage:
  - Which application uses the secret?
  - "If there are many: stop the identity, restore from backup."
---*/
WITH written AS (
    SELECT *, count(DISTINCT (namespace, name)) FILTER (verb IN ('update', 'patch', 'delete')) OVER near AS secrets_touched
    FROM requests
    WHERE resource = 'secrets' AND subresource IS NULL AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection') AND succeeded(response_code) AND NOT is_dry_run(request_uri)
      AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
    WINDOW near AS (PARTITION BY cluster, user_name, impersonated_user_name ORDER BY request_received_at RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND INTERVAL 10 MINUTE FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN verb = 'deletecollection' THEN 'medium' WHEN secrets_touched >= $many_secrets AND verb IN ('update', 'patch', 'delete') AND service_account_name IS NULL THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' secret ' || coalesce(namespace || '/', '') || coalesce(name, '*') AS detail
FROM written
