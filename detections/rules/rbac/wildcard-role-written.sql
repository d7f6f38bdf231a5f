/*---
id: wildcard-role-written
title: A role with wildcards was written
techniques: [E07]
status: stable
severity: high
confidence: medium
attack: [T1098.006]
threat_matrix: [MS-TA9019]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [clusterroles, roles]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A rule with every verb on every resource is cluster-admin under another name, and grows with every resource
  that is added later. Verbs and resources are judged within one entry of the role.
blind_spots: >-
  Roles that list everything one by one; wildcards in roles that exist already.
false_positives: >-
  Operators that ask for everything in an API group of their own are left out; those that ask for everything
  in a built-in group are not.
triage:
  - Who is, or will be, bound to it?
  - Can it be narrowed to what the software does?
  - If it came with a new binding in the same hour, treat both as one change.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN list_contains(rule_verbs, '*') AND list_contains(rule_resources, '*') AND resource = 'clusterroles' THEN 'high'
            WHEN list_contains(rule_verbs, '*') AND (list_contains(rule_resources, '*') OR list_contains(rule_api_groups, '*')) THEN 'high'
            ELSE 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' wrote ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(object_name, '') || ' with '
           || array_to_string(rule_verbs, ',') || ' on ' || array_to_string(list_concat(rule_resources, rule_non_resource_urls), ',') AS detail
FROM rbac_rules
WHERE ((list_contains(rule_verbs, '*') AND (list_contains(rule_resources, '*') OR list_contains(rule_non_resource_urls, '*')
            OR list_has_any(rule_resources, ['secrets', 'pods', 'pods/exec', 'nodes', 'nodes/proxy', 'serviceaccounts/token', 'roles', 'clusterroles',
                                             'rolebindings', 'clusterrolebindings', 'mutatingwebhookconfigurations', 'validatingwebhookconfigurations'])))
       OR (list_contains(rule_resources, '*') AND list_has_any(rule_verbs, ['create', 'update', 'patch', 'get', 'list', 'watch'])
           AND list_has_any(rule_api_groups, ['', '*'])))
  -- Everything in one API group that is not Kubernetes' own is what an operator for it needs.
  AND (len(rule_resources) = 0 OR list_has_any(rule_api_groups, ['', '*', 'apps', 'batch', 'rbac.authorization.k8s.io', 'admissionregistration.k8s.io',
                                                    'apiextensions.k8s.io', 'certificates.k8s.io', 'authentication.k8s.io', 'apiregistration.k8s.io']))
  AND (impersonated_user_name IS NOT NULL OR NOT is_control_plane(user_name, user_groups, source_ip))
  AND NOT (is_built_in_controller(service_account_namespace, service_account_name) AND service_account_name = 'clusterrole-aggregation-controller')
