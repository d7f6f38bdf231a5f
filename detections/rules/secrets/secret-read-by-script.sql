/*---
id: secret-read-by-script
title: A secret was read with a scripting client
techniques: [B07]
status: stable
severity: low
confidence: low
attack: [T1552.007, T1059]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
claims: [user_agent]
why: >-
  Operators use client-go and people use kubectl; curl and Python are what scripts, and intruders, have at hand.
blind_spots: >-
  The user agent is whatever the client says: this finds the careless only.
false_positives: >-
  In-house scripts.
triage:
  - Whose script is it, and where does it run?
  - What else did this client read?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' secret ' || coalesce(namespace || '/', '') || coalesce(name, '*') || ' with ' || user_agent[:60] || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource = 'secrets' AND subresource IS NULL AND verb IN ('get', 'list', 'watch')
  AND regexp_matches(user_agent, '(?i)^(curl|wget|python|go-http-client|perl|java/|node|php|ruby|axios|undici|okhttp|httpie|postmanruntime|powershell|libwww)|kali')
