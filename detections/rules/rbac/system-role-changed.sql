/*---
id: system-role-changed
title: A role that Kubernetes brings along was changed or deleted
techniques: [E14]
status: stable
severity: high
confidence: medium
attack: [T1098.006, T1562.001]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, resources: [clusterroles, clusterrolebindings, roles, rolebindings]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Nodes, controllers and every user who logged in are bound to these roles. Adding to them is a grant to all of those at
  once, under a name that nobody looks at; deleting one of their bindings stops a component.
blind_spots: >-
  What was there when the log began. The kube-apiserver repairs most of them when it starts, unless the object says
  not to (annotation autoupdate).
false_positives: >-
  Upgrades by a provider. New roles whose name begins with system: come with some software and are low.
triage:
  - What was added or taken away, and who gets it?
  - Restart a kube-apiserver, or apply the default again, to repair it.
---*/
WITH changed AS (
    SELECT *, took_effect(verb, level, response_code, request_uri, request_object) AS applied,
           verb = 'create' OR response_code = 201 AS created
    FROM requests
    WHERE resource IN ('clusterroles', 'clusterrolebindings', 'roles', 'rolebindings') AND api_group = 'rbac.authorization.k8s.io' AND subresource IS NULL
      AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')
      AND (starts_with(name, 'system:') OR name IN ('cluster-admin', 'admin', 'edit', 'view') OR (verb = 'deletecollection' AND namespace IS NULL))
      AND NOT is_cleaning(verb, user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
      AND NOT (impersonated_user_name IS NULL AND is_control_plane(user_name, user_groups, source_ip))
      -- It copies rules of labelled roles into admin, edit and view: see aggregated-role-poisoned.
      AND NOT (impersonated_user_name IS NULL AND resource = 'clusterroles' AND verb IN ('update', 'patch')
               AND is_built_in_controller(service_account_namespace, service_account_name) AND service_account_name = 'clusterrole-aggregation-controller')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR created THEN 'low'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, applied, CASE WHEN starts_with(verb, 'delete') THEN 'deleted' WHEN created THEN 'created' ELSE 'changed' END,
           CASE WHEN starts_with(verb, 'delete') THEN 'delete' WHEN created THEN 'create' ELSE 'change' END)
           || CASE verb WHEN 'deletecollection' THEN 'all ' ELSE '' END || thing(resource, subresource, namespace, name)
           || outcome(applied, response_code, decision, response_message) AS detail
FROM changed
