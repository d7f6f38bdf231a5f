/*---
id: aggregated-role-poisoned
title: A role was made part of admin, edit or view
techniques: [N14]
status: stable
severity: low
confidence: medium
attack: [T1098.006]
threat_matrix: [MS-TA9019]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [clusterroles]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A label on a ClusterRole has the aggregation controller copy its rules into admin, edit or view, and so to everybody
  who is bound to one of those, in every namespace. The copying is the controller's; the person is who set the label.
blind_spots: >-
  A label on a role that was there, at a level that does not show the role, is judged by the label alone.
false_positives: >-
  Operators let users handle their own kinds this way; that is low.
triage:
  - Which rights come with it, and to which of the three?
  - Take the label away; the controller takes the rights back.
---*/
WITH labelled AS (
    SELECT *,
           list_transform(list_filter(json_keys(document, '$.metadata.labels'), lambda key: starts_with(key, 'rbac.authorization.k8s.io/aggregate-to-')),
                          lambda key: replace(key, 'rbac.authorization.k8s.io/aggregate-to-', '')) AS targets,
           json_extract(document, '$.aggregationRule') IS NOT NULL AS aggregates,
           coalesce(nullif(json_extract(merged, '$.rules[*]'), []), json_extract(document, '$.rules[*]')) AS rules
    FROM written_documents
    WHERE resource = 'clusterroles' AND api_group = 'rbac.authorization.k8s.io' AND subresource IS NULL
      AND (contains(document, 'aggregate-to-') OR contains(document, 'aggregationRule'))
      AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
),
judged AS (
    SELECT *, len(coalesce(rules, [])) > 0 AS known,
           len(list_filter(rules, lambda entry:
               list_has_any(json_extract_string(entry, '$.verbs[*]'), ['escalate', 'bind', 'impersonate'])
               OR (list_has_any(json_extract_string(entry, '$.apiGroups[*]'), ['', '*', 'rbac.authorization.k8s.io', 'admissionregistration.k8s.io', 'certificates.k8s.io'])
                   AND list_has_any(json_extract_string(entry, '$.resources[*]'), ['*', 'secrets', 'pods/exec', 'pods/attach', 'pods/ephemeralcontainers', 'nodes', 'nodes/proxy',
                                    'serviceaccounts/token', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings', 'certificatesigningrequests/approval',
                                    'mutatingwebhookconfigurations', 'validatingwebhookconfigurations', 'persistentvolumes'])))) > 0 AS dangerous
    FROM labelled
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'informational'
            WHEN dangerous THEN 'high'
            WHEN aggregates AND NOT (verb = 'create' OR response_code = 201) THEN 'high'
            WHEN NOT known THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, applied, 'made', 'make') || thing(resource, subresource, namespace, object_name)
           || CASE WHEN len(targets) > 0 THEN ' part of ' || array_to_string(targets, ', ') ELSE ' collect the rules of others' END
           || CASE WHEN dangerous THEN ', with rights over secrets, pods, nodes or rights' ELSE '' END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM judged
WHERE len(targets) > 0 OR (aggregates AND NOT (verb = 'create' OR response_code = 201))
