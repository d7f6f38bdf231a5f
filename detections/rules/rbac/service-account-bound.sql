/*---
id: service-account-bound
title: A service account was given a right far from home
techniques: [E06, E04, E02]
status: stable
severity: low
confidence: medium
attack: [T1098.006]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [rolebindings, clusterrolebindings]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_namespaces:
    default: [kube-system, kube-public, kube-node-lease, flux-system, argocd, cert-manager, gatekeeper-system, kyverno]
    why: Namespaces whose rights an account from elsewhere should not have.
  harmless_roles:
    default: [view, "system:auth-delegator", extension-apiserver-authentication-reader, "system:discovery", "system:basic-user", "system:public-info-viewer"]
    why: Roles that extensions and viewers are bound to as a matter of course.
why: >-
  A token of a service account lies in every pod that uses it. A default account, or a group of all accounts of a
  namespace, gives the right to whatever runs there, today and later.
blind_spots: >-
  Administrator roles are admin-role-bound. What the role allows is not looked at here.
false_positives: >-
  Operators and monitoring: their own account, bound in the whole cluster, is low.
triage:
  - Which pods run under that account?
  - Does their software need the right, and everywhere?
---*/
WITH bound AS (
    SELECT *,
           subject_kind = 'ServiceAccount' AND subject_name = 'default'
               OR coalesce(subject_kind, 'Group') = 'Group' AND starts_with(subject_name, 'system:serviceaccounts:') AS is_shared,
           coalesce(subject_namespace, CASE WHEN starts_with(subject_name, 'system:serviceaccounts:') THEN substr(subject_name, 24) END, namespace) AS home
    FROM rbac_subjects
    WHERE (subject_kind = 'ServiceAccount' OR (coalesce(subject_kind, 'Group') = 'Group' AND starts_with(subject_name, 'system:serviceaccounts:')))
      AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'informational'
            WHEN is_shared AND role_name IN ('cluster-admin', 'admin', 'edit') THEN 'high'
            WHEN is_shared AND resource = 'clusterrolebindings' AND NOT coalesce(list_contains($harmless_roles, role_name), false) THEN 'medium'
            WHEN resource = 'rolebindings' AND list_contains($system_namespaces, namespace) AND NOT coalesce(list_contains($harmless_roles, role_name), false)
                 AND NOT list_contains($system_namespaces, coalesce(home, '')) THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, applied, 'bound', 'bind')
           || CASE WHEN subject_kind = 'ServiceAccount' THEN 'service account ' || coalesce(home || '/', '') || subject_name ELSE 'every service account of ' || coalesce(home, '?') END
           || ' to ' || coalesce(role_name, 'a role') || CASE resource WHEN 'clusterrolebindings' THEN ' in the whole cluster' ELSE ' in ' || coalesce(namespace, '?') END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM bound
WHERE is_shared OR resource = 'clusterrolebindings' OR home IS DISTINCT FROM namespace
