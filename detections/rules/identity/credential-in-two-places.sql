/*---
id: credential-in-two-places
title: One credential was used in two places at once
techniques: [N01]
status: stable
severity: medium
confidence: medium
attack: [T1528, T1550.001]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata}
window: 1h
entity: [user_name, credential_id]
params:
  shared_by:
    default: 10
    why: A place that as many different identities come from is a proxy or load balancer; all of these are one place.
why: >-
  A token belongs to one pod and a certificate to one machine. Used from two networks within the same minutes,
  it was copied. The kube-apiserver names the very credential, so that a new one of the same user is not confused with it.
blind_spots: >-
  Credentials without an id: old service account tokens, logins whose tokens carry none, versions before 1.32 or so.
  A thief on the same /24 (IPv6: /64), except for tokens of pods, where the address itself must stay.
false_positives: >-
  A person whose VPN goes up or down while kubectl runs; a CI token that several runners share; load balancers
  in front of the kube-apiserver that few identities use.
triage:
  - Which of the addresses is the rightful one? Compare with the day before.
  - What came from the other address?
  - Delete what the credential is bound to (pod, secret, service account); a certificate cannot be taken back, take its rights.
---*/
WITH used AS (
    SELECT *, contains(source_ip, ':') AS ipv6, address_place(source_ip) AS network
    FROM appearances
    WHERE credential_id IS NOT NULL AND NOT control_plane AND source_ip NOT IN ('127.0.0.1', '::1')
),
shared AS (SELECT cluster, network FROM used GROUP BY ALL HAVING count(DISTINCT user_name) >= $shared_by),
placed AS (
    SELECT u.*, CASE WHEN s.network IS NULL THEN u.network ELSE 'shared' END AS place
    FROM used AS u LEFT JOIN shared AS s ON s.cluster = u.cluster AND s.network = u.network
)
SELECT a.cluster, a.event_id, a.first_at AS request_received_at, a.user_name, a.credential_id,
       CASE WHEN a.place <> b.place AND (a.pod_uid IS NOT NULL OR a.node) THEN 'high' END AS severity,
       a.user_name || ' used ' || a.credential_id || ' from ' || a.source_ip || ' and from ' || b.source_ip AS detail
FROM placed AS a
JOIN placed AS b
    ON b.cluster = a.cluster AND b.user_name = a.user_name AND b.credential_id = a.credential_id AND b.hour = a.hour
    AND b.source_ip <> a.source_ip AND b.ipv6 = a.ipv6
-- A pod and a node stay where they are; whatever else may move, but is not in two places at once.
WHERE (a.place <> b.place AND (a.pod_uid IS NOT NULL OR a.node OR (a.first_at <= b.last_at AND b.first_at <= a.last_at)))
   OR (a.pod_uid IS NOT NULL AND NOT (a.place = 'shared' AND b.place = 'shared'))
