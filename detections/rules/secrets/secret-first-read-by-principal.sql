/*---
id: secret-first-read-by-principal
title: Somebody read a secret for the first time
techniques: [B08, B09, N33]
status: stable
severity: low
confidence: medium
attack: [T1552.007]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
needs: {history: 7d}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Each principal reads the same few secrets day after day. A first one is a release, or somebody who has got in.
blind_spots: >-
  What was read before the log began. Needs seven days of log.
false_positives: >-
  New applications, new people.
triage:
  - Why this secret, and why now?
  - From where, with which credential?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN ends_with(fact, '/*') THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' read ' || CASE WHEN fact = '*/*' THEN 'all secrets' ELSE 'secret ' || fact END || ' for the first time' AS detail
FROM first_uses
WHERE fact_kind = 'secret' AND cluster_known_for >= INTERVAL 7 DAY
