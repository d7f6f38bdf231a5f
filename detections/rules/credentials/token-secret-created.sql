/*---
id: token-secret-created
title: A secret that may hold an everlasting token was created and read
techniques: [B13]
status: stable
severity: high
confidence: medium
attack: [T1098, T1528]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {verbs: [create, update, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A Secret of type service-account-token is filled with a token that never expires. Creating one and reading it
  back takes two requests.
blind_spots: >-
  At level Metadata the type is hidden: then only creation followed by a read of the same secret by the same
  person is told, with less confidence.
false_positives: >-
  Old charts and CI set-ups.
triage:
  - "Delete the secret: that ends the token."
  - What was the token used for?
---*/
WITH made AS (
    SELECT *, CASE WHEN json_valid(request_object) THEN json_extract_string(request_object, '$.type') END AS type
    FROM requests
    WHERE resource = 'secrets' AND subresource IS NULL AND (verb = 'create' OR (verb IN ('patch', 'update'))) AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
),
reads AS (
    SELECT cluster, user_name, namespace, name, request_received_at AS read_at FROM requests
    WHERE resource = 'secrets' AND subresource IS NULL AND verb = 'get' AND succeeded(response_code) AND name IS NOT NULL
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) OR is_dry_run(request_uri) THEN 'low' WHEN type IS NULL AND namespace <> 'kube-system' THEN 'low' WHEN type IS NULL THEN 'medium' END AS severity, CASE WHEN type IS NULL THEN 'low' END AS confidence,
       actor(user_name, impersonated_user_name) || ' created secret ' || coalesce(namespace || '/', '') || coalesce(name, '') || CASE WHEN type IS NULL THEN ' and read it back' ELSE ' of type service-account-token' END || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM made AS m
WHERE type = 'kubernetes.io/service-account-token'
   OR (type IS NULL AND verb = 'create' AND service_account_name IS NULL AND EXISTS (SELECT 1 FROM reads AS r WHERE r.cluster = m.cluster AND r.user_name = m.user_name AND r.namespace = m.namespace AND r.name = m.name
           AND r.read_at BETWEEN m.request_received_at AND m.request_received_at + INTERVAL 10 MINUTE))
