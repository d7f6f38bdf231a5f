/*---
id: service-account-first-writes-rbac
title: A service account changed roles or bindings for the first time
techniques: [E15]
status: stable
severity: medium
confidence: medium
attack: [T1098.006]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, history: 7d}
window: 1d
entity: [user_name, source_ip]
why: >-
  What a program does it does again and again. One that hands out rights for the first time in a week of log is new, was
  changed, or is not who sends the request.
blind_spots: >-
  Programs that do so at least once a week.
false_positives: >-
  A new GitOps tool or operator, and a new version of one.
triage:
  - Was the program installed or changed on that day?
  - Did the request come from its pod (pod_name, source_ip)?
  - What was granted? Look at the binding or role.
---*/
SELECT cluster, event_id, request_received_at, user_name, source_ip,
       user_name || ' did this for the first time: ' || fact AS detail
FROM first_uses
WHERE fact_kind = 'verb_resource' AND service_account_name IS NOT NULL AND impersonated_user_name IS NULL
  AND fact IN ('create roles', 'update roles', 'patch roles', 'create clusterroles', 'update clusterroles', 'patch clusterroles',
               'create rolebindings', 'update rolebindings', 'patch rolebindings', 'create clusterrolebindings', 'update clusterrolebindings', 'patch clusterrolebindings')
  AND NOT (is_built_in_controller(service_account_namespace, service_account_name) AND service_account_name = 'clusterrole-aggregation-controller'
           AND fact IN ('update clusterroles', 'patch clusterroles'))
QUALIFY cluster_known_for >= INTERVAL 7 DAY
    -- The first of all of these, not of each.
    AND row_number() OVER (PARTITION BY cluster, user_name ORDER BY request_received_at, event_id) = 1
