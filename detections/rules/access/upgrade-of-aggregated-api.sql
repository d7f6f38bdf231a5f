/*---
id: upgrade-of-aggregated-api
title: A connection was upgraded where none is expected
techniques: [N54]
status: stable
severity: medium
confidence: low
attack: [T1190, T1595.002]
threat_matrix: [MS-TA9004]
layer: cluster
control: detection
practice: cluster-components
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Upgraded connections belong to sessions into pods. On another path an upgrade passes what follows through
  unseen, as old flaws of aggregated APIs allowed.
blind_spots: >-
  What goes over the connection: none of it is in the audit log.
false_positives: >-
  Watches over WebSocket are gets with a watch verb.
triage:
  - Which aggregated API is it, and is it up to date?
  - Who may reach that API, and what else did this client ask?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN is_anonymous(user_name, user_groups) THEN 'high' END AS severity,
       actor(user_name, impersonated_user_name) || ' upgraded the connection of ' || verb || ' ' || uri_path(request_uri) AS detail
FROM requests
WHERE response_code = 101 AND verb <> 'watch'
  -- Sessions are of the core group; another group may call anything exec.
  AND NOT (coalesce(api_group, '') = '' AND coalesce(subresource, '') IN ('exec', 'attach', 'portforward', 'proxy', 'log'))
