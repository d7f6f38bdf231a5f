/*---
id: forbidden-with-new-agent
title: A refused request came with a client never seen of that identity
techniques: [A07, A08, A13, N06]
status: stable
severity: low
confidence: medium
attack: [T1613, T1078]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {history: 7d}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
claims: [user_agent]
why: >-
  A known identity with a new client, that is refused at once: somebody else may hold its credential. For a
  service account or a node, a person's tool is never ordinary.
blind_spots: >-
  The user agent is what the client says. Needs seven days of log.
false_positives: >-
  New versions of tools; only the first word counts.
triage:
  - Who runs this client?
  - From where does it come?
---*/
WITH new AS (
    SELECT cluster, user_name, fact AS agent, request_received_at AS since FROM first_uses WHERE fact_kind = 'user_agent' AND principal_known_for >= INTERVAL 7 DAY
)
SELECT r.cluster, event_id, request_received_at, r.user_name, impersonated_user_name, source_ip,
       CASE WHEN r.service_account_name IS NOT NULL OR is_node(r.user_name, r.user_groups) THEN 'medium' END AS severity,
       actor(r.user_name, impersonated_user_name) || ' with the new client ' || n.agent || ' ' || verb || ' ' || coalesce(concat_ws('/', resource, subresource), uri_path(request_uri)) || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests AS r JOIN new AS n ON n.cluster = r.cluster AND n.user_name = r.user_name AND regexp_extract(r.user_agent, '^[^/ (]*') = n.agent
WHERE (r.response_code = 403 OR ((r.service_account_name IS NOT NULL OR is_node(r.user_name, r.user_groups)) AND n.agent IN ('kubectl', 'curl', 'wget', 'python-requests', 'Lens', 'k9s', 'helm', 'Python-urllib')))
  AND r.request_received_at BETWEEN n.since AND n.since + INTERVAL 1 DAY
