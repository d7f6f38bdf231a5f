/*---
id: powerful-role-written
title: A role that may do much was written
techniques: [E16, E08]
status: stable
severity: informational
confidence: medium
attack: [T1098.006]
threat_matrix: [MS-TA9019]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [roles, clusterroles]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  powerful:
    default: 3
    why: Different powers in one role from which on it is medium (in one namespace, or by software, low).
why: >-
  Each of these rights has its use. One role that reads secrets, starts workloads, enters them and hands out rights is
  an administrator under another name. What a role may change at all is informational.
blind_spots: >-
  Rights spread over several roles. Wildcards are wildcard-role-written, which is the plainer case of this.
false_positives: >-
  Operators that install other software; namespace administrators.
triage:
  - Which software or person needs this combination?
  - Who is bound to it?
---*/
WITH powers AS (
    SELECT *, list_filter([
               CASE WHEN list_has_any(rule_resources, ['secrets', '*']) AND list_has_any(rule_verbs, ['get', 'list', 'watch', '*']) THEN 'reads secrets' END,
               CASE WHEN list_has_any(rule_resources, ['pods', 'deployments', 'daemonsets', 'statefulsets', 'jobs', 'cronjobs', 'replicasets', '*'])
                         AND list_has_any(rule_verbs, ['create', 'update', 'patch', '*']) THEN 'starts workloads' END,
               CASE WHEN list_has_any(rule_resources, ['pods/exec', 'pods/attach', 'pods/ephemeralcontainers', 'nodes/proxy', 'pods/*', 'nodes/*', '*'])
                         AND list_has_any(rule_verbs, ['get', 'create', 'update', 'patch', '*']) THEN 'enters workloads' END,
               CASE WHEN list_has_any(rule_resources, ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings', 'serviceaccounts/token', 'certificatesigningrequests/approval', '*'])
                         AND list_has_any(rule_verbs, ['create', 'update', 'patch', 'escalate', 'bind', '*']) THEN 'hands out rights' END,
               CASE WHEN list_has_any(rule_verbs, ['impersonate', 'escalate']) THEN 'becomes somebody else' END,
               CASE WHEN list_has_any(rule_resources, ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations', 'nodes', 'nodes/status', 'persistentvolumes', 'customresourcedefinitions', 'apiservices'])
                         AND list_has_any(rule_verbs, ['create', 'update', 'patch', 'delete', '*']) THEN 'changes the cluster' END,
               CASE WHEN list_has_any(rule_verbs, ['create', 'update', 'patch', 'delete', 'deletecollection', '*']) THEN 'writes' END
           ], lambda power: power IS NOT NULL) AS found
    FROM rbac_rules
    WHERE NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
),
roles AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, resource, subresource, namespace, object_name,
           applied, response_code, decision, response_message,
           list_sort(list_distinct(flatten(list(found)))) AS powers
    FROM powers
    GROUP BY ALL
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN applied AND len(list_filter(powers, lambda power: power <> 'writes')) >= $powerful
            THEN CASE WHEN resource = 'roles' OR (impersonated_user_name IS NULL AND service_account_name IS NOT NULL) THEN 'low' ELSE 'medium' END END AS severity,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || thing(resource, subresource, namespace, object_name) || ', which ' || array_to_string(powers, ', ')
           || outcome(applied, response_code, decision, response_message) AS detail
FROM roles
WHERE len(powers) > 0
