/*---
id: role-widened
title: A role that was in use got a dangerous right
techniques: [E13, E12, E14, N14]
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
  Everybody bound to a role gets what is added to it, without any new binding to notice. Patches are read in
  all their forms, and whole replacements too.
blind_spots: >-
  An update writes the role as a whole: what it had before is not told apart unless an earlier version is in
  the log.
false_positives: >-
  Upgrades of software that ship a new version of their role.
triage:
  - Who is bound to this role? They all have the new right now.
  - Was it changed together with a new version of the software?
  - Put the role back if not.
---*/
WITH dangerous AS (
    SELECT *,
           list_contains(rule_verbs, '*') OR list_contains(rule_resources, '*') AS wildcard,
           list_has_any(rule_resources, ['secrets', '*']) AND list_has_any(rule_verbs, ['get', 'list', 'watch', '*']) AS reads_secrets,
           list_has_any(rule_resources, ['pods/exec', 'pods/attach', 'pods/portforward', 'pods/ephemeralcontainers', 'nodes/proxy', 'serviceaccounts/token', 'pods/*', 'nodes/*'])
               AND list_has_any(rule_verbs, ['get', 'create', 'update', 'patch', '*']) AS enters_workloads,
           list_has_any(rule_resources, ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings', 'certificatesigningrequests/approval',
                                         'mutatingwebhookconfigurations', 'validatingwebhookconfigurations'])
               AND list_has_any(rule_verbs, ['create', 'update', 'patch', '*']) AS changes_rights,
           list_has_any(rule_resources, ['pods', 'deployments', 'daemonsets', 'statefulsets', 'jobs', 'cronjobs', 'replicasets'])
               AND list_has_any(rule_verbs, ['create', 'update', 'patch', '*']) AS starts_workloads,
           starts_with(coalesce(object_name, ''), 'system:') AS system_role
    FROM rbac_rules
    WHERE verb IN ('update', 'patch') AND response_code IS DISTINCT FROM 201
),
-- What the same role allowed when the log last saw it whole: an entry that stood there already is nothing new.
before AS (
    SELECT DISTINCT cluster, resource, namespace, object_name, CAST(entry AS VARCHAR) AS entry_text, min(request_received_at) AS seen_at
    FROM rbac_rules WHERE applied GROUP BY ALL
)
SELECT d.cluster, d.event_id, d.request_received_at, d.user_name, d.impersonated_user_name, d.source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN wildcard OR changes_rights OR reads_secrets OR enters_workloads THEN 'high' ELSE 'medium' END AS severity,
       actor(d.user_name, d.impersonated_user_name) || ' gave ' || d.resource || ' ' || coalesce(d.namespace || '/', '') || coalesce(d.object_name, '') || ' '
           || array_to_string(rule_verbs, ',') || ' on ' || array_to_string(list_concat(rule_resources, rule_non_resource_urls), ',') AS detail
FROM dangerous AS d
WHERE (wildcard OR reads_secrets OR enters_workloads OR changes_rights OR starts_workloads OR system_role)
  AND (d.impersonated_user_name IS NOT NULL OR NOT is_control_plane(d.user_name, d.user_groups, d.source_ip))
  -- It copies rules of labelled roles into admin, edit and view; the label is what to look at.
  AND NOT (is_built_in_controller(service_account_namespace, service_account_name) AND service_account_name = 'clusterrole-aggregation-controller')
  AND NOT EXISTS (
      SELECT 1 FROM before AS b
      WHERE b.cluster = d.cluster AND b.resource = d.resource AND b.namespace IS NOT DISTINCT FROM d.namespace
        AND b.object_name = d.object_name AND b.entry_text = CAST(d.entry AS VARCHAR) AND b.seen_at < d.request_received_at)
