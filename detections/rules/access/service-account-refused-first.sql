/*---
id: service-account-refused-first
title: A service account was refused what it never asked for before
techniques: [A08]
status: stable
severity: low
confidence: medium
attack: [T1613]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, history: 7d}
window: 1d
entity: [user_name, source_ip]
why: >-
  A program asks for the same things every day. The first thing that a person does inside of a taken pod is to ask for what
  the program never asked for, once: no threshold sees that.
blind_spots: >-
  What the service account is allowed to do; what it has asked for within the last week.
false_positives: >-
  A new version of the program, and operators that look for kinds which are not installed.
triage:
  - Was the program changed on that day?
  - Was there a session into the pod (pod_name) shortly before?
  - What else is new for this service account?
---*/
SELECT r.cluster, r.event_id, r.request_received_at, r.user_name, r.source_ip,
       CASE WHEN r.resource IN ('secrets', 'certificatesigningrequests', 'nodes') OR r.subresource IN ('exec', 'attach', 'portforward', 'token', 'proxy', 'ephemeralcontainers')
                 OR r.api_group IN ('rbac.authorization.k8s.io', 'admissionregistration.k8s.io') THEN 'medium' END AS severity,
       actor(r.user_name, r.impersonated_user_name) || coalesce(' in pod ' || r.pod_name, '') || ' asked for the first time, and was refused: ' || f.fact AS detail
FROM first_uses AS f
JOIN events AS r ON r.cluster = f.cluster AND r.event_id = f.event_id
WHERE f.fact_kind = 'verb_resource' AND f.service_account_name IS NOT NULL AND f.principal_known_for >= INTERVAL 7 DAY
  AND r.response_code = 403 AND r.decision = 'forbid'
