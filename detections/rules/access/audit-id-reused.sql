/*---
id: audit-id-reused
title: One Audit-ID stands on different requests
techniques: [N27]
status: stable
severity: medium
confidence: medium
attack: [T1562.008, T1036]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: audit-logging
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
claims: [audit_id]
why: >-
  Clients may choose their Audit-ID. Whoever uses one twice hopes that a collector takes the second request for
  a copy of the first and drops it. This lake keeps both.
blind_spots: >-
  An Audit-ID used once, however odd.
false_positives: >-
  Aggregated API servers log the same id for the same request.
triage:
  - Which of the requests should not be seen?
  - What else did this client do?
---*/
WITH marked AS (
    -- Ids of version 4 are what kube-apiservers and client libraries make; a look at the others is cheap, and at repeated ones by hash first.
    SELECT cluster, hash(audit_id) AS mark FROM requests WHERE audit_id <> '' GROUP BY ALL HAVING count(*) > 1
),
repeated AS (
    SELECT r.*, count(DISTINCT (r.verb, r.request_uri, r.user_name)) OVER (PARTITION BY r.cluster, r.audit_id) AS different
    FROM requests AS r SEMI JOIN marked AS m ON m.cluster = r.cluster AND m.mark = hash(r.audit_id)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' ' || coalesce(concat_ws('/', resource, subresource), uri_path(request_uri)) || coalesce(' ' || concat_ws('/', namespace, name), '') || ' under the Audit-ID ' || audit_id[:64] || ', which stands on other requests too' || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM repeated WHERE different > 1
