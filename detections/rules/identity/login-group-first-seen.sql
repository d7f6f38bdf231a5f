/*---
id: login-group-first-seen
title: Somebody came with a group they never had
techniques: [N31]
status: stable
severity: low
confidence: medium
attack: [T1078]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, history: 7d}
window: 1d
entity: [user_name, source_ip]
why: >-
  Groups come from the issuer of the login or from the certificate, and rights hang on them. No object of the cluster changes when somebody
  is put into one, so this is the only place where it shows.
blind_spots: >-
  Groups that were there before the log began; people who are new themselves (see login-first-seen).
false_positives: >-
  People who change teams.
triage:
  - Who put this person into the group, at the issuer?
  - What may the group do?
---*/
WITH held AS (
    SELECT cluster, user_name, user_groups, source_ip, event_id, first_at, unnest(user_groups) AS member
    FROM appearances WHERE person
),
firsts AS (
    SELECT cluster, user_name, member, min({moment: first_at, event_id: event_id, source_ip: source_ip}) AS earliest FROM held GROUP BY ALL
),
dated AS (
    SELECT *, earliest.moment - min(earliest.moment) OVER (PARTITION BY cluster, user_name) AS known_for FROM firsts
)
SELECT cluster, earliest.event_id AS event_id, earliest.moment AS request_received_at, user_name, earliest.source_ip AS source_ip,
       CASE WHEN member IN ('system:masters', 'kubeadm:cluster-admins', 'system:nodes') THEN 'high' END AS severity,
       user_name || ' came with the group ' || member || ' for the first time, from ' || earliest.source_ip AS detail
FROM dated
WHERE known_for >= INTERVAL 7 DAY AND member <> 'system:authenticated'
