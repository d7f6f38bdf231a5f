/*---
id: user-outside-list
title: Somebody who is on no list of yours used the cluster
techniques: [A11]
status: stable
severity: medium
confidence: medium
attack: [T1078]
threat_matrix: [MS-TA9003]
layer: cluster
control: detection
practice: rbac
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
params:
  known_users:
    why: User names of the people and pipelines that use this cluster.
why: >-
  Where the people of a cluster are known by name, another name is news.
blind_spots: >-
  Somebody on the list whose credential another has.
false_positives: >-
  A colleague who is not on the list yet.
triage:
  - Who is it, and who gave them access?
  - What did they do since (identity page)?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN response_code IN (401, 403) THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' ' || coalesce(concat_ws('/', resource, subresource), uri_path(request_uri)) || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE user_name IS NOT NULL AND service_account_name IS NULL AND NOT is_anonymous(user_name, user_groups) AND NOT is_node(user_name, user_groups)
  AND NOT is_control_plane(user_name, user_groups, source_ip) AND NOT (list_contains($known_users, user_name) AND (impersonated_user_name IS NULL OR list_contains($known_users, impersonated_user_name)))
