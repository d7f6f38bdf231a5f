/*---
id: privileged-service-account-used
title: A workload runs as a service account that is administrator
techniques: [D09, N35]
status: stable
severity: high
confidence: medium
attack: [T1078, T1098]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Whoever may create pods in a namespace may act as any of its service accounts: a pod with an administrator's
  account makes its author one.
blind_spots: >-
  Grants that the log does not show: roles of other names, and bindings from before it began. Accounts of the
  built-in controllers are known by name.
false_positives: >-
  Deploying the software that the account was made for: once, by the same person who made the binding.
triage:
  - May the author of the workload do what the account may?
  - What did the account do since (timeline by service account)?
  - Remove the workload; move the software to a namespace of its own.
---*/
WITH admins AS (
    SELECT DISTINCT cluster, coalesce(subject_namespace, namespace) AS namespace, subject_name AS account
    FROM rbac_subjects
    WHERE subject_kind = 'ServiceAccount' AND applied
      AND ((resource = 'clusterrolebindings' AND role_name IN ('cluster-admin', 'admin', 'edit')) OR (resource = 'rolebindings' AND role_name IN ('cluster-admin', 'admin') AND namespace = 'kube-system'))
    UNION
    SELECT DISTINCT cluster, 'kube-system', account FROM workloads, unnest(['clusterrole-aggregation-controller', 'daemon-set-controller', 'deployment-controller', 'generic-garbage-collector',
        'namespace-controller', 'persistent-volume-binder', 'replicaset-controller', 'statefulset-controller', 'job-controller', 'cronjob-controller', 'horizontal-pod-autoscaler', 'root-ca-cert-publisher',
        'expand-controller', 'node-controller', 'resourcequota-controller', 'service-account-controller', 'token-cleaner', 'bootstrap-signer']) AS t(account)
),
used AS (
    SELECT *, coalesce(nullif(json_extract_string(pod_spec, '$.serviceAccountName'), ''), json_extract_string(pod_spec, '$.serviceAccount')) AS account
    FROM workloads WHERE authored AND contains(pod_spec, '"serviceAccount')
)
SELECT u.cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN resource <> 'pods' THEN 'medium' END AS severity,
       who || ' wrote ' || workload || ' with the service account ' || u.account || outcome_words AS detail
FROM used AS u JOIN admins AS a ON a.cluster = u.cluster AND a.namespace = u.namespace AND a.account = u.account
WHERE NOT coalesce(u.impersonated_user_name IS NULL AND u.service_account_namespace = u.namespace AND u.service_account_name = u.account, false)
