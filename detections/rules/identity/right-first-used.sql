/*---
id: right-first-used
title: Somebody used a right for the first time
techniques: [A13]
status: stable
severity: low
confidence: medium
attack: [T1078]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, history: 7d}
window: 1d
entity: [user_name, impersonated_user_name]
why: >-
  The kube-apiserver says with each request which binding allowed it. An identity that is known for a week and now uses a binding that
  it never used has a new right, or somebody found an old one.
blind_spots: >-
  Rights that are used every week; authorizers that give no reason (webhooks, nodes).
false_positives: >-
  New rights that were agreed on; work that is done once a month.
triage:
  - Who made the binding, and when?
  - Was the right used from the identity's usual address?
---*/
WITH firsts AS (
    SELECT cluster, user_name, impersonated_user_name, decision_reason, min(request_received_at) AS since
    FROM requests
    WHERE starts_with(decision_reason, 'RBAC: allowed by') AND user_name IS NOT NULL
    GROUP BY ALL
),
dated AS (
    SELECT *, since - min(since) OVER (PARTITION BY cluster, user_name, impersonated_user_name) AS known_for FROM firsts
)
SELECT r.cluster, r.event_id, r.request_received_at, r.user_name, r.impersonated_user_name,
       CASE WHEN contains(r.decision_reason, 'of ClusterRole "cluster-admin"') THEN 'medium' END AS severity,
       actor(r.user_name, r.impersonated_user_name) || ' at ' || coalesce(r.source_ip, 'an unknown address') || ' used a right for the first time: '
           || substr(r.decision_reason, length('RBAC: allowed by ') + 1) AS detail
FROM dated AS d
JOIN requests AS r
    ON r.cluster = d.cluster AND r.request_received_at = d.since AND r.user_name = d.user_name
    AND r.impersonated_user_name IS NOT DISTINCT FROM d.impersonated_user_name AND r.decision_reason = d.decision_reason
WHERE d.known_for >= INTERVAL 7 DAY
