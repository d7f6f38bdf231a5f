/*---
id: sensitive-action-first-seen
title: Somebody did something sensitive for the first time
techniques: [N31, A13]
status: stable
severity: low
confidence: medium
attack: [T1078]
threat_matrix: [MS-TA9003]
layer: cluster
control: detection
practice: rbac
needs: {history: 7d}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Who opens sessions, reads secrets, writes rights or approves certificates does so regularly. The first time of
  an identity that has been around is worth a look, and the first day of a new one even more.
blind_spots: >-
  What was done before the log began. Needs seven days of log.
false_positives: >-
  New colleagues, new software.
triage:
  - Is it a new task, or a new person behind the identity?
  - What else is new about it (ashiato baseline explain)?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN principal_known_for < INTERVAL 1 DAY AND service_account_name IS NULL THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' for the first time did ' || fact || CASE WHEN principal_known_for < INTERVAL 1 DAY THEN ', and is new itself' ELSE '' END AS detail
FROM first_uses
WHERE fact_kind = 'verb_resource' AND cluster_known_for >= INTERVAL 7 DAY
  AND regexp_matches(fact, '^(get|create) pods/(exec|attach|portforward)$|^(create|patch|update) pods/ephemeralcontainers$|^(list|watch) secrets$|^create serviceaccounts/token$|^(create|update|patch|delete) (roles|rolebindings|clusterroles|clusterrolebindings|mutatingwebhookconfigurations|validatingwebhookconfigurations|certificatesigningrequests|certificatesigningrequests/approval|apiservices|customresourcedefinitions)$|^(get|create) nodes/proxy$')
