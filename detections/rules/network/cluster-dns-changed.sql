/*---
id: cluster-dns-changed
title: The cluster's DNS was changed
techniques: [F04]
status: stable
severity: high
confidence: medium
attack: [T1557, T1565.001]
threat_matrix: [MS-TA9035]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, resources: [configmaps, deployments, daemonsets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  dns_configmaps:
    default: [coredns, coredns-custom, kube-dns, node-local-dns]
    why: ConfigMaps in kube-system that the DNS servers read; the software looks for exactly these names.
  dns_workloads:
    default: [coredns, kube-dns, node-local-dns, rke2-coredns-rke2-coredns]
    why: The DNS servers themselves, in kube-system.
why: >-
  Every pod asks the cluster's DNS first. A rewrite, a hosts entry or another forwarder sends the clients of any name
  to somebody else; the configuration is one ConfigMap, read again within seconds.
blind_spots: >-
  DNS under other names or in another namespace: add them. ConfigMaps are usually logged without their content.
false_positives: >-
  Upgrades of the cluster and its add-ons; those by a service account are medium.
triage:
  - What does the configuration say now? Look for rewrite, hosts, forward and template.
  - Compare with the version that the add-on brings.
  - Which names were asked for since, if the servers log that?
---*/
WITH changed AS (
    SELECT *, took_effect(verb, level, response_code, request_uri, request_object) AS applied,
           coalesce(json_extract_string(request_object, '$.data.Corefile'), CAST(json_extract(request_object, '$.data') AS VARCHAR)) AS body
    FROM requests
    WHERE resource IN ('configmaps', 'deployments', 'daemonsets') AND namespace = 'kube-system'
      AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')
      AND ((resource = 'configmaps' AND list_contains($dns_configmaps, name))
           OR (resource <> 'configmaps' AND list_contains($dns_workloads, name) AND verb <> 'create' AND coalesce(subresource, 'scale') = 'scale'))
      AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            -- Setting the cluster up makes it; changing its workload is an upgrade more often than not.
            WHEN verb = 'create' OR response_code = 201 THEN 'medium'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'medium'
            WHEN resource <> 'configmaps' AND verb IN ('update', 'patch') AND subresource IS NULL THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, applied, CASE WHEN starts_with(verb, 'delete') THEN 'deleted' ELSE 'wrote' END,
           CASE WHEN starts_with(verb, 'delete') THEN 'delete' ELSE 'write' END) || thing(resource, subresource, namespace, name)
           || coalesce(': ' || left(body, 300), '') || outcome(applied, response_code, decision, response_message) AS detail
FROM changed
