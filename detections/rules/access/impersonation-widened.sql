/*---
id: impersonation-widened
title: Somebody impersonates as never before
techniques: [N12]
status: stable
severity: low
confidence: medium
attack: [T1134]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {history: 7d}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Proxies and pipelines impersonate the same few identities and groups. A group or an identity never taken on
  before is a proxy reconfigured, or misused.
blind_spots: >-
  Identities taken on before the log began. Needs seven days of log.
false_positives: >-
  New users behind an access proxy.
triage:
  - May the impersonator take on this identity (its role's resourceNames)?
  - What did it do with it?
---*/
WITH taken AS (
    SELECT *, array_to_string(list_sort(list_filter(impersonated_user_groups, lambda one: one <> 'system:authenticated')), ', ') AS groups_taken
    FROM requests WHERE impersonated_user_name IS NOT NULL
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY cluster, user_name, groups_taken ORDER BY request_received_at, event_id) AS place,
           request_received_at - min(request_received_at) OVER (PARTITION BY cluster, user_name) AS known_for
    FROM taken
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN regexp_matches(groups_taken, 'system:masters|system:nodes|cluster-admins|system:kube') THEN 'medium' END AS severity,
       user_name || ' acted as ' || impersonated_user_name || CASE WHEN groups_taken <> '' THEN ' in ' || groups_taken ELSE '' END || ', groups never taken on before' AS detail
FROM ranked WHERE place = 1 AND known_for >= INTERVAL 7 DAY
