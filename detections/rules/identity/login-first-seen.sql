/*---
id: login-first-seen
title: A person logged in for the first time
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
  Each person, pipeline or certificate that uses the cluster comes for the first time once. A name that nobody expected is worth a
  minute, whatever it does.
blind_spots: >-
  Service accounts and nodes, of which new ones come every day; names that were known before the log began.
false_positives: >-
  New colleagues.
triage:
  - Who is it, and who gave them access?
  - How did they log in (an issuer's prefix, a certificate in credential_id)?
---*/
SELECT e.cluster, e.event_id, f.request_received_at, e.user_name, e.source_ip,
       CASE WHEN NOT succeeded(e.response_code) THEN 'informational'
            WHEN list_has_any(e.user_groups, ['system:masters', 'kubeadm:cluster-admins']) THEN 'medium' END AS severity,
       e.user_name || ' (' || array_to_string(list_filter(e.user_groups, lambda member: member <> 'system:authenticated'), ', ') || ') came for the first time, from '
           || coalesce(e.source_ip, 'an unknown address') || coalesce(' with ' || e.credential_id, '') AS detail
FROM first_uses AS f
JOIN events AS e ON e.cluster = f.cluster AND e.event_id = f.event_id
WHERE f.fact_kind = 'principal' AND f.impersonated_user_name IS NULL AND f.service_account_name IS NULL AND f.cluster_known_for >= INTERVAL 7 DAY
  AND is_person(e.user_name, e.user_groups, e.source_ip, e.service_account_name)
