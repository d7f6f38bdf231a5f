/*---
id: role-reads-secrets
title: A role that reads or makes credentials was written
techniques: [E12]
status: stable
severity: medium
confidence: medium
attack: [T1098.006, T1552.007]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [roles, clusterroles]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  list and watch hand out the values of every secret, and resourceNames do not hold them back. Making tokens for
  service accounts, and approving certificates, come to the same.
blind_spots: >-
  Roles that may start pods, which can mount any secret of the namespace. Wildcards are wildcard-role-written.
false_positives: >-
  Operators that keep certificates or passwords; in a Role of one namespace it is low.
triage:
  - Does the software need all of them, or get on a few names?
  - Who is bound to the role?
---*/
WITH judged AS (
    SELECT *, CASE
               WHEN list_contains(rule_resources, 'secrets') AND list_has_any(rule_api_groups, ['', '*'])
                    AND (list_has_any(rule_verbs, ['list', 'watch', '*']) OR (list_contains(rule_verbs, 'get') AND len(rule_resource_names) = 0)) THEN 'secrets'
               WHEN list_contains(rule_resources, 'serviceaccounts/token') AND list_has_any(rule_verbs, ['create', '*']) AND len(rule_resource_names) = 0 THEN 'serviceaccounts/token'
               WHEN list_contains(rule_resources, 'certificatesigningrequests/approval') AND list_has_any(rule_verbs, ['update', 'patch', '*']) THEN 'certificatesigningrequests/approval'
           END AS what
    FROM rbac_rules
    WHERE NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'informational' WHEN resource = 'roles' OR (impersonated_user_name IS NULL AND service_account_name IS NOT NULL) THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || thing(resource, subresource, namespace, object_name) || ' with ' || array_to_string(rule_verbs, ',')
           || ' on ' || what || CASE WHEN len(rule_resource_names) > 0 THEN ' named ' || array_to_string(rule_resource_names, ', ') ELSE '' END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM judged
WHERE what IS NOT NULL
