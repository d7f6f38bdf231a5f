/*---
id: guard-workload-stopped
title: Software that guards the cluster was stopped
techniques: [N20]
status: stable
severity: high
confidence: medium
attack: [T1562.001]
threat_matrix: [MS-TA9015]
layer: cluster
control: detection
practice: runtime
needs: {level: Metadata, resources: [deployments, daemonsets, statefulsets, cronjobs]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  guard_namespaces:
    default: [gatekeeper-system, kyverno, kubewarden, falco, falco-system, tracee, tracee-system, tetragon, kubearmor, trivy-system, kubescape, security-profiles-operator, calico-system, tigera-operator, cilium]
    why: Namespaces in which whatever runs guards the cluster.
  guard_workloads:
    default: [falco, tetragon, tracee, kubearmor, trivy-operator, kubescape, kubevuln, node-agent, kube-bench, gatekeeper-controller-manager, gatekeeper-audit, kyverno, kyverno-admission-controller, kyverno-background-controller, kyverno-reports-controller, cilium, cilium-operator, calico-node, calico-typha, fluent-bit, fluentd, vector, promtail, filebeat, wazuh-agent]
    why: Names of such workloads, and of those that ship logs, wherever they run. A name here only adds suspicion.
why: >-
  A sensor or a policy engine without pods sees and refuses nothing. Scaling it to zero, giving its DaemonSet a node
  selector that no node has, and suspending its CronJob leave the object standing, so that it still looks installed.
blind_spots: >-
  Guards under other names in other namespaces: add them. A node selector in a whole replacement (PUT). Deleting the
  pods again and again, and an image, an argument or a setting that makes the software useless.
false_positives: >-
  Upgrades and migrations of those tools; a GitOps tool that removes one is medium.
triage:
  - Is the software running now, on every node?
  - Who stopped it, and what did they do right after?
  - What was logged by others while it was away (this log, the cloud's)?
---*/
WITH stopped AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, resource, NULL AS subresource, namespace, name,
           response_code, decision, response_message, applied, 'it was deleted' AS change
    FROM deletions
    WHERE resource IN ('deployments', 'daemonsets', 'statefulsets', 'cronjobs')
    UNION ALL
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, resource, subresource, namespace, name,
           response_code, decision, response_message, applied,
           CASE WHEN replicas = '0' THEN 'scaled to zero'
                WHEN resource = 'cronjobs' AND suspend = 'true' THEN 'suspended'
                WHEN nodes IS NOT NULL THEN 'told to run only on nodes with ' || nodes END AS change
    FROM workload_changes
    UNION ALL
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, resource, subresource, namespace, name,
           response_code, decision, response_message, coalesce(succeeded(response_code), false) AND NOT is_dry_run(request_uri),
           'scaled, the log does not show how far' AS change
    FROM requests
    WHERE resource IN ('deployments', 'statefulsets') AND subresource = 'scale' AND verb IN ('update', 'patch') AND level = 'Metadata'
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR starts_with(change, 'scaled, ') THEN 'low'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'medium' END AS severity,
       CASE WHEN starts_with(change, 'scaled, ') THEN 'low' END AS confidence,
       did(user_name, impersonated_user_name, applied, 'stopped', 'stop') || thing(resource, subresource, namespace, name) || ': ' || change
           || outcome(applied, response_code, decision, response_message) AS detail
FROM stopped
WHERE change IS NOT NULL AND (list_contains($guard_namespaces, namespace) OR list_contains($guard_workloads, name))
