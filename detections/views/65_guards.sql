-- What guards a cluster, and what was done to it. A guard is known by API group and resource, which the
-- kube-apiserver decides; names of objects, namespaces and images are the choice of whoever made them.

-- A delete reads its options from the body; a query counts only where the request has no body. So dryRun in
-- the URI of a delete proves nothing where the level does not show whether there was one.
CREATE MACRO delete_is_dry_run(request_uri, request_object, level) AS
    CASE WHEN request_object IS NOT NULL THEN coalesce(json_extract_string(request_object, '$.dryRun[0]') = 'All', false)
         ELSE level <> 'Metadata' AND is_dry_run(request_uri) END;

-- It succeeded and was stored.
CREATE MACRO took_effect(verb, level, response_code, request_uri, request_object) AS
    coalesce(succeeded(response_code), false)
    AND NOT CASE WHEN verb IN ('delete', 'deletecollection') THEN delete_is_dry_run(request_uri, request_object, level)
                 ELSE is_dry_run(request_uri) END;

-- Who does something as itself, and not as somebody whom it may impersonate: the control plane or its controllers.
CREATE MACRO is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name) AS
    impersonated_user_name IS NULL
    AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name));

-- The cluster's own cleaning: what lay in a deleted namespace, and what belonged to a deleted owner.
CREATE MACRO is_cleaning(verb, user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name) AS
    verb IN ('delete', 'deletecollection') AND impersonated_user_name IS NULL
    AND coalesce(user_name = 'system:kube-controller-manager'
                 OR (service_account_namespace = 'kube-system' AND service_account_name IN ('namespace-controller', 'generic-garbage-collector')), false);

-- 'deployments/scale shop/web', for a sentence.
CREATE MACRO thing(resource, subresource, namespace, name) AS
    concat_ws('/', resource, subresource) || ' ' || CASE WHEN resource = 'namespaces' THEN coalesce(name, '*')
                                                         ELSE concat_ws('/', namespace, coalesce(name, '*')) END;

-- Somebody did it, or tried to: 'bob deleted ', 'bob tried to delete '.
CREATE MACRO did(user_name, impersonated_user_name, applied, past, infinitive) AS
    actor(user_name, impersonated_user_name) || CASE WHEN applied THEN ' ' || past ELSE ' tried to ' || infinitive END || ' ';

-- What stands in the way of 'applied', for the end of a sentence.
CREATE MACRO outcome(applied, response_code, decision, response_message) AS
    CASE WHEN applied THEN ''
         WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message)
         WHEN coalesce(succeeded(response_code), false) THEN ' in a dry run'
         ELSE coalesce(', answered with ' || response_code, '') END;

-- resource '*': every resource of the group. guard: what it does for the cluster.
--   admission  decides what may be stored            exception  lets something past a decision
--   network    decides who may talk to whom          runtime    watches what processes do
--   reports    findings of scanners                  rights     writes role bindings for whoever writes it
CREATE VIEW guard_kinds AS
SELECT * FROM (VALUES
    ('admissionregistration.k8s.io', 'validatingwebhookconfigurations', 'admission webhooks', 'admission'),
    ('admissionregistration.k8s.io', 'mutatingwebhookconfigurations', 'admission webhooks', 'admission'),
    ('admissionregistration.k8s.io', 'validatingadmissionpolicies', 'admission policies', 'admission'),
    ('admissionregistration.k8s.io', 'validatingadmissionpolicybindings', 'admission policies', 'admission'),
    ('admissionregistration.k8s.io', 'mutatingadmissionpolicies', 'admission policies', 'admission'),
    ('admissionregistration.k8s.io', 'mutatingadmissionpolicybindings', 'admission policies', 'admission'),
    ('templates.gatekeeper.sh', '*', 'Gatekeeper', 'admission'),
    ('constraints.gatekeeper.sh', '*', 'Gatekeeper', 'admission'),
    ('mutations.gatekeeper.sh', '*', 'Gatekeeper', 'admission'),
    ('externaldata.gatekeeper.sh', '*', 'Gatekeeper', 'admission'),
    ('config.gatekeeper.sh', '*', 'Gatekeeper', 'exception'),
    ('kyverno.io', 'policies', 'Kyverno', 'admission'),
    ('kyverno.io', 'clusterpolicies', 'Kyverno', 'admission'),
    ('kyverno.io', 'policyexceptions', 'Kyverno', 'exception'),
    ('policies.kyverno.io', 'validatingpolicies', 'Kyverno', 'admission'),
    ('policies.kyverno.io', 'namespacedvalidatingpolicies', 'Kyverno', 'admission'),
    ('policies.kyverno.io', 'imagevalidatingpolicies', 'Kyverno', 'admission'),
    ('policies.kyverno.io', 'namespacedimagevalidatingpolicies', 'Kyverno', 'admission'),
    ('policies.kyverno.io', 'mutatingpolicies', 'Kyverno', 'admission'),
    ('policies.kyverno.io', 'namespacedmutatingpolicies', 'Kyverno', 'admission'),
    ('policies.kyverno.io', 'policyexceptions', 'Kyverno', 'exception'),
    ('policies.kubewarden.io', '*', 'Kubewarden', 'admission'),
    ('networking.k8s.io', 'networkpolicies', 'NetworkPolicy', 'network'),
    ('policy.networking.k8s.io', '*', 'AdminNetworkPolicy', 'network'),
    ('cilium.io', 'ciliumnetworkpolicies', 'Cilium', 'network'),
    ('cilium.io', 'ciliumclusterwidenetworkpolicies', 'Cilium', 'network'),
    ('crd.projectcalico.org', 'networkpolicies', 'Calico', 'network'),
    ('crd.projectcalico.org', 'globalnetworkpolicies', 'Calico', 'network'),
    ('crd.projectcalico.org', 'tiers', 'Calico', 'network'),
    ('projectcalico.org', 'networkpolicies', 'Calico', 'network'),
    ('projectcalico.org', 'globalnetworkpolicies', 'Calico', 'network'),
    ('projectcalico.org', 'tiers', 'Calico', 'network'),
    ('cilium.io', 'tracingpolicies', 'Tetragon', 'runtime'),
    ('cilium.io', 'tracingpoliciesnamespaced', 'Tetragon', 'runtime'),
    ('instance.falcosecurity.dev', '*', 'Falco', 'runtime'),
    ('artifact.falcosecurity.dev', '*', 'Falco', 'runtime'),
    ('tracee.aquasec.com', '*', 'Tracee', 'runtime'),
    ('security.kubearmor.com', '*', 'KubeArmor', 'runtime'),
    ('operator.kubearmor.com', '*', 'KubeArmor', 'runtime'),
    ('security-profiles-operator.x-k8s.io', '*', 'Security Profiles Operator', 'runtime'),
    ('kubescape.io', '*', 'Kubescape', 'runtime'),
    ('aquasecurity.github.io', '*', 'Trivy', 'reports'),
    ('spdx.softwarecomposition.kubescape.io', '*', 'Kubescape', 'reports'),
    ('wgpolicyk8s.io', '*', 'policy reports', 'reports'),
    ('openreports.io', '*', 'policy reports', 'reports'),
    ('rbacmanager.reactiveops.io', '*', 'rbac-manager', 'rights'),
    ('capsule.clastix.io', '*', 'Capsule', 'rights'),
    ('hnc.x-k8s.io', '*', 'Hierarchical Namespaces', 'rights'),
    ('management.cattle.io', 'globalrolebindings', 'Rancher', 'rights'),
    ('management.cattle.io', 'globalroles', 'Rancher', 'rights'),
    ('management.cattle.io', 'roletemplates', 'Rancher', 'rights'),
    ('management.cattle.io', 'clusterroletemplatebindings', 'Rancher', 'rights'),
    ('management.cattle.io', 'projectroletemplatebindings', 'Rancher', 'rights')
) AS t(api_group, resource, tool, guard);

-- The groups of guard_kinds, as a filter that reaches the files: a join would have every body read first.
CREATE MACRO is_guard_group(api_group) AS
    api_group IN ('admissionregistration.k8s.io', 'aquasecurity.github.io', 'artifact.falcosecurity.dev', 'capsule.clastix.io', 'cilium.io',
        'config.gatekeeper.sh', 'constraints.gatekeeper.sh', 'crd.projectcalico.org', 'externaldata.gatekeeper.sh', 'hnc.x-k8s.io',
        'instance.falcosecurity.dev', 'kubescape.io', 'kyverno.io', 'management.cattle.io', 'mutations.gatekeeper.sh', 'networking.k8s.io',
        'openreports.io', 'operator.kubearmor.com', 'policies.kubewarden.io', 'policies.kyverno.io', 'policy.networking.k8s.io',
        'projectcalico.org', 'rbacmanager.reactiveops.io', 'security-profiles-operator.x-k8s.io', 'security.kubearmor.com',
        'spdx.softwarecomposition.kubescape.io', 'templates.gatekeeper.sh', 'tracee.aquasec.com', 'wgpolicyk8s.io');

-- One row per request that writes or deletes an object of a guard, at every level; what the cluster clears away
-- by itself is left out. applied: it took effect.
CREATE VIEW guard_changes AS
SELECT r.*, g.tool, g.guard,
       took_effect(r.verb, r.level, r.response_code, r.request_uri, r.request_object) AS applied
FROM requests AS r
JOIN guard_kinds AS g ON g.api_group = r.api_group AND (g.resource = r.resource OR g.resource = '*')
WHERE is_guard_group(r.api_group) AND r.verb IN ('create', 'update', 'patch', 'delete', 'deletecollection') AND r.subresource IS NULL
  AND NOT is_cleaning(r.verb, r.user_name, r.user_groups, r.source_ip, r.impersonated_user_name, r.service_account_namespace, r.service_account_name);

-- One row per document written to an object of a guard, as in written_documents. before: the object as the log
-- last showed it whole.
CREATE VIEW guard_documents AS
WITH documents AS (
    SELECT d.*, g.tool, g.guard, coalesce(d.merged, CASE WHEN d.form = 'object' AND d.applied THEN d.document END) AS whole
    FROM written_documents AS d
    JOIN guard_kinds AS g ON g.api_group = d.api_group AND (g.resource = d.resource OR g.resource = '*')
    WHERE is_guard_group(d.api_group) AND d.subresource IS NULL
)
SELECT *, last_value(whole IGNORE NULLS) OVER (
           PARTITION BY cluster, api_group, resource, namespace, object_name ORDER BY request_received_at
           RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING) AS before
FROM documents;

-- One row per operation of a JSON patch that takes something away (remove, and move away), for guards, namespaces,
-- nodes and services; written_documents shows what a patch adds. path: the steps, unescaped, each behind a '/'.
CREATE VIEW json_patch_removals AS
WITH patches AS (
    SELECT *, unnest(json_extract(request_object, '$[*]')) AS operation
    FROM requests
    WHERE verb = 'patch' AND subresource IS NULL AND starts_with(ltrim(request_object), '[')
      AND (resource IN ('namespaces', 'nodes', 'services') OR is_guard_group(api_group))
)
SELECT * EXCLUDE (operation), succeeded(response_code) AND NOT is_dry_run(request_uri) AS applied,
       replace(replace(json_extract_string(operation, CASE json_extract_string(operation, '$.op') WHEN 'move' THEN '$.from' ELSE '$.path' END),
                       '~1', '/'), '~0', '~') AS path
FROM patches
WHERE json_extract_string(operation, '$.op') IN ('remove', 'move');

-- One row per request that deletes something worth a look, without bodies; what the cluster clears away by itself
-- is left out. Not pods and what controllers make and delete all day.
CREATE VIEW deletions AS
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, service_account_namespace, service_account_name, source_ip,
       verb, api_group, resource, namespace, name, response_code, decision, response_message,
       took_effect(verb, level, response_code, request_uri, request_object) AS applied
FROM requests
WHERE verb IN ('delete', 'deletecollection') AND subresource IS NULL
  AND resource IN ('namespaces', 'persistentvolumeclaims', 'persistentvolumes', 'statefulsets', 'volumesnapshots', 'volumesnapshotcontents',
                   'customresourcedefinitions', 'deployments', 'daemonsets', 'cronjobs', 'configmaps', 'secrets', 'services', 'ingresses',
                   'serviceaccounts', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings', 'horizontalpodautoscalers', 'networkpolicies',
                   'events', 'backups', 'backupstoragelocations', 'schedules', 'snapshots', 'volumes')
  AND NOT is_cleaning(verb, user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name);

-- One row per document that changes a workload that is there, by anybody but the controllers: what it says about
-- how many pods there are to be, and where.
CREATE VIEW workload_changes AS
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, service_account_name, source_ip, verb, resource, subresource, namespace, name,
       response_code, decision, response_message, applied,
       json_extract_string(document, '$.spec.replicas') AS replicas,
       json_extract_string(document, '$.spec.suspend') AS suspend,
       CASE WHEN verb = 'patch' AND json_type(document, '$.spec.template.spec.nodeSelector') = 'OBJECT'
            THEN json_extract_string(document, '$.spec.template.spec.nodeSelector')
            WHEN verb = 'patch' AND json_type(document, '$.spec.template.spec.affinity.nodeAffinity') = 'OBJECT' THEN 'an affinity' END AS nodes
FROM written_documents
WHERE resource IN ('deployments', 'daemonsets', 'statefulsets', 'replicasets', 'replicationcontrollers', 'cronjobs')
  AND (subresource IS NULL OR subresource = 'scale') AND verb IN ('update', 'patch') AND response_code IS DISTINCT FROM 201
  AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name);
