/*---
id: pod-security-flagged
title: Pod Security admission noted a violation
techniques: [D12]
status: stable
severity: medium
confidence: high
attack: [T1610]
layer: cluster
control: detection
practice: pod-security
needs: {level: Metadata, verbs: [create, update, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Where a namespace audits a Pod Security level, the kube-apiserver itself writes into the log what a workload
  breaks: at every level, even where no body is kept. What breaks baseline reaches for the node.
blind_spots: >-
  Namespaces without an audit level say nothing. Which part of baseline is broken is read from the
  kube-apiserver's English sentence.
false_positives: >-
  Agents of network, storage and monitoring that run on every node break baseline by design; a namespace for
  them is usually exempt. Violations of restricted alone are ordinary and informational.
triage:
  - 'Who wrote it: a person, a pipeline, an operator?'
  - Does the workload need what is listed?
  - Enforce baseline for the namespace (pod-security.kubernetes.io/enforce) once nothing needs more.
---*/
WITH flagged AS (
    SELECT *, succeeded(response_code) AND NOT is_dry_run(request_uri) AS applied,
           json_extract_string(annotations, '$."pod-security.kubernetes.io/audit-violations"') AS violations,
           json_extract_string(annotations, '$."pod-security.kubernetes.io/exempt"') AS exempt
    FROM requests
    WHERE verb IN ('create', 'update', 'patch') AND resource IS NOT NULL
      AND (contains(annotations, 'pod-security.kubernetes.io/audit-violations') OR contains(annotations, 'pod-security.kubernetes.io/exempt'))
),
weighed AS (
    SELECT *,
           -- A namespace that audits 'restricted' lists what breaks baseline in the same sentence.
           coalesce(contains(violations, '"baseline:')
                    OR regexp_matches(violations, ': .*(privileged \(|host namespaces|hostPath|hostPort|hostProcess|non-default capabilities|procMount|forbidden AppArmor|seLinuxOptions|forbidden sysctls|seccompProfile.*Unconfined|unrestricted capabilities .* must not include)'), false) AS breaks_baseline,
           impersonated_user_name IS NULL AND coalesce(verb IN ('create', 'update') AND resource IN ('pods', 'replicasets', 'jobs')
               AND (is_control_plane(user_name, user_groups, source_ip)
                    OR is_built_in_controller(service_account_namespace, service_account_name)
                       AND service_account_name IN ('replicaset-controller', 'daemon-set-controller', 'statefulset-controller', 'job-controller',
                                                    'replication-controller', 'deployment-controller', 'cronjob-controller')), false) AS from_template
    FROM flagged
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       -- The same sentence stands at the template's author, and at level Metadata nothing else is known about its pods.
       CASE WHEN from_template OR NOT coalesce(breaks_baseline, false) AND violations IS NOT NULL THEN 'informational'
            WHEN NOT applied OR violations IS NULL THEN 'low'
            -- One per node, made to reach for the node: its other findings say what for.
            WHEN resource = 'daemonsets' THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || thing(resource, subresource, namespace, name) || ': '
           || coalesce(violations, 'exempt from Pod Security by its ' || exempt) || outcome(applied, response_code, decision, response_message) AS detail
FROM weighed
