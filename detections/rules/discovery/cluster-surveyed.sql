/*---
id: cluster-surveyed
title: Somebody listed the whole cluster
techniques: [C25, E20]
status: stable
severity: medium
confidence: medium
attack: [T1613, T1069.003]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: rbac
needs: {verbs: [list]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  least_kinds:
    default: 6
    why: Different kinds listed across all namespaces within a minute.
why: >-
  Who is new to a cluster lists everything across all namespaces: nodes, roles, bindings, accounts. Programs
  list what they work on, and people look at their own namespace.
blind_spots: >-
  A survey spread over hours.
false_positives: >-
  Dashboards (k9s, Lens), GitOps and backup tools when they begin. Those come back every time: see first uses.
triage:
  - Who is it, and did they do this before (identity page)?
  - What did they do next?
---*/
WITH listed AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, resource
    FROM requests
    WHERE verb = 'list' AND namespace IS NULL AND succeeded(response_code)
      AND resource IN ('namespaces', 'nodes', 'pods', 'configmaps', 'serviceaccounts', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings', 'secrets',
                       'services', 'deployments', 'daemonsets', 'cronjobs', 'ingresses', 'networkpolicies', 'customresourcedefinitions', 'validatingwebhookconfigurations', 'mutatingwebhookconfigurations')
      AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
),
counted AS (
    SELECT *, count(DISTINCT resource) OVER near AS kinds, count(DISTINCT CASE WHEN resource IN ('roles', 'rolebindings', 'clusterroles', 'clusterrolebindings') THEN resource END) OVER near AS rights
    FROM listed
    WINDOW near AS (PARTITION BY cluster, user_name, impersonated_user_name, source_ip ORDER BY request_received_at RANGE BETWEEN INTERVAL 1 MINUTE PRECEDING AND INTERVAL 1 MINUTE FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN rights = 0 THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' listed ' || resource || ' of all namespaces, one of ' || kinds || ' kinds within a minute' AS detail
FROM counted WHERE kinds >= $least_kinds
