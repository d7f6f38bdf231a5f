/*---
id: escalation-verb-granted
title: A role that can raise its own rights was written
techniques: [E11]
status: stable
severity: high
confidence: high
attack: [T1098.006, T1134]
threat_matrix: [MS-TA9019]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [clusterroles, roles]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  escalate and bind lift the rule that nobody can grant more than they have; impersonate acts as anybody;
  approve and sign on certificate signers make credentials.
blind_spots: >-
  Rights that lead there on a longer way (creating pods, reading secrets).
false_positives: >-
  Access proxies and GitOps tools that impersonate by design; operator frameworks.
triage:
  - Does the software behind it need the verb, and on which names? resourceNames can narrow it.
  - Who is bound to the role?
  - What did those identities do since?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN len(rule_resource_names) > 0 THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' wrote ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(object_name, '') || ' with '
           || array_to_string(rule_verbs, ',') || ' on ' || array_to_string(rule_resources, ',') AS detail
FROM rbac_rules
WHERE (list_has_any(rule_verbs, ['escalate', 'bind', 'impersonate'])
       -- Constrained impersonation: impersonate:user-info, impersonate-on:serviceaccount:list, ...
       OR len(list_filter(rule_verbs, lambda verb: starts_with(verb, 'impersonate:') OR starts_with(verb, 'impersonate-on:'))) > 0
       OR (list_has_any(rule_verbs, ['approve', 'sign']) AND list_contains(rule_resources, 'signers')))
  AND (impersonated_user_name IS NOT NULL OR NOT is_control_plane(user_name, user_groups, source_ip))
  AND NOT (is_built_in_controller(service_account_namespace, service_account_name) AND service_account_name = 'clusterrole-aggregation-controller')
