/*---
id: system-component-masqueraded
title: A workload takes the name of a system component
techniques: [D10]
status: stable
severity: medium
confidence: medium
attack: [T1036.005]
threat_matrix: [MS-TA9023]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  known_images:
    default: [registry.k8s.io/, k8s.gcr.io/, gke.gcr.io/, gcr.io/gke-release/, mcr.microsoft.com/oss/, public.ecr.aws/eks-distro/, docker.io/calico/, quay.io/calico/, quay.io/cilium/, docker.io/weaveworks/, ghcr.io/flannel-io/]
    why: Beginnings of the images of real system components, each ending in a slash.
why: >-
  kube-proxy with two letters more is overlooked. A name of the system with an image from elsewhere is a
  disguise.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object.
false_positives: >-
  Forks by distributions: add their registry to known_images.
triage:
  - Compare the image with the real component's.
  - Who wrote it, and from where?
---*/
WITH named AS (
    SELECT *, regexp_replace(regexp_replace(object_name, '[*]$', ''), '(-[a-z0-9]{8,10})?-([a-z0-9]{5})?$', '') AS stem
    FROM workload_containers
    WHERE container_kind <> 'ephemeral container' AND image IS NOT NULL
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low' END AS severity,
       who || ' wrote ' || workload || ' with the image ' || image || outcome_words AS detail
FROM named
WHERE (regexp_matches(object_name, '^(kube-?(proxy|apiserver|api-server|controller|scheduler|dns|system|flannel)|coredns|core-dns|etcd|calico|cilium|weave|aws-node|metrics-server|konnectivity|kubelet|node-?problem)')
       -- A letter or two wrong, or in another order.
       OR len(list_filter(['kube-proxy', 'kube-apiserver', 'kube-scheduler', 'kube-controller-manager', 'kube-flannel', 'metrics-server', 'calico-node', 'konnectivity-agent'],
                          lambda component: damerau_levenshtein(stem, component) <= 2)) > 0)
  AND len(list_filter($known_images, lambda known: starts_with(image_repository(image) || '/', rtrim(known, '/') || '/'))) = 0
