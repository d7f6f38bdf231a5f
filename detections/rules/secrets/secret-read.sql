/*---
id: secret-read
title: A secret was read
techniques: [B01]
status: stable
severity: informational
confidence: high
attack: [T1552.007]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  The stream of who reads which secret: too common to follow, and the first thing to look at once somebody is
  suspected.
blind_spots: >-
  Secrets that reach pods as volumes: the kubelet reads those.
false_positives: >-
  Nearly all of it.
triage:
  - Read it beside other findings about the identity; see ashiato secret-access.
  - Was it the first time for this identity?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       actor(user_name, impersonated_user_name) || ' read secret ' || coalesce(namespace || '/', '') || coalesce(name, '*') AS detail
FROM requests
WHERE resource = 'secrets' AND subresource IS NULL AND verb = 'get' AND succeeded(response_code)
  AND impersonated_user_name IS NULL AND service_account_name IS NULL AND NOT is_node(user_name, user_groups) AND NOT is_control_plane(user_name, user_groups, source_ip)
