/*---
id: role-enters-workloads
title: A role that enters pods or nodes was written
techniques: [E09, E10]
status: stable
severity: medium
confidence: high
attack: [T1098.006, T1609, T1611]
threat_matrix: [MS-TA9030]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [roles, clusterroles]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Who may exec, attach, forward ports or add a debug container acts as the pod's service account. nodes/proxy reaches
  the kubelet past admission and past most of the audit log, and get is enough for it; get is enough for exec too,
  over a WebSocket, up to Kubernetes 1.34.
blind_spots: >-
  Roles with a wildcard are wildcard-role-written. A role whose name was never in the log, and what is bound to it.
false_positives: >-
  Roles for developers in their own namespace are low; monitoring that still asks for nodes/proxy can use
  nodes/metrics and nodes/stats.
triage:
  - Who is bound to the role, in which namespaces?
  - Can it do without? kubectl debug and logs need other rights.
---*/
WITH judged AS (
    SELECT *,
           list_has_any(rule_resources, ['nodes/proxy', 'nodes/*']) AS is_node,
           list_filter(rule_resources, lambda name: name IN ('pods/exec', 'pods/attach', 'pods/portforward', 'pods/ephemeralcontainers', 'pods/proxy', 'pods/*',
                                                             'nodes/proxy', 'nodes/*', 'services/proxy')) AS entries
    FROM rbac_rules
    WHERE list_has_any(rule_api_groups, ['', '*']) AND list_has_any(rule_verbs, ['create', 'get', 'update', 'patch', '*'])
      AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'informational'
            WHEN is_node AND resource = 'clusterroles' THEN CASE WHEN len(rule_resource_names) > 0 OR (impersonated_user_name IS NULL AND service_account_name IS NOT NULL) THEN 'medium' ELSE 'high' END
            WHEN resource = 'roles' OR len(rule_resource_names) > 0 THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || thing(resource, subresource, namespace, object_name) || ' with ' || array_to_string(rule_verbs, ',')
           || ' on ' || array_to_string(entries, ', ') || outcome(applied, response_code, decision, response_message) AS detail
FROM judged
WHERE len(entries) > 0
