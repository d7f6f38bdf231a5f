/*---
id: long-lived-token-minted
title: A token was minted that outlives or leaves its place
techniques: [B12]
status: stable
severity: medium
confidence: medium
attack: [T1098, T1528]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, verbs: [create], resources: [serviceaccounts/token]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Kubelets ask for tokens of an hour that end with their pod. A token for a month, or bound to nothing, is made
  to be carried away.
blind_spots: >-
  Level Metadata hides what was asked for. The server may give less time than asked.
false_positives: >-
  CI systems that mint on purpose.
triage:
  - Who keeps the token? Its credential id stands in the answer's annotation.
  - See what the credential was used for (pivot by credential).
---*/
WITH minted AS (
    SELECT *, TRY_CAST(json_extract_string(request_object, '$.spec.expirationSeconds') AS BIGINT) AS seconds, json_extract_string(request_object, '$.spec.boundObjectRef.kind') AS bound
    FROM requests
    WHERE resource = 'serviceaccounts' AND subresource = 'token' AND verb = 'create' AND json_valid(request_object)
      AND NOT (impersonated_user_name IS NULL AND is_node(user_name, user_groups))
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) OR is_dry_run(request_uri) THEN 'low' WHEN seconds > 604800 THEN 'high' WHEN seconds > 86400 THEN NULL ELSE 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' minted a token of ' || coalesce(namespace || '/', '') || coalesce(name, '') || coalesce(' for ' || seconds || ' seconds', '') || CASE WHEN bound IS NULL THEN ', bound to nothing' ELSE '' END || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM minted
WHERE seconds > 86400 OR bound IS NULL
