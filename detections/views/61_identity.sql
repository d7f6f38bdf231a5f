-- Who comes from where, with what.

-- An address that the internet can reach; private, shared, loopback and link-local ones are not. What is no
-- address at all is none.
CREATE MACRO is_public_address(address) AS
    (contains(address, '.') OR contains(address, ':'))
    AND NOT regexp_matches(lower(address), '^(::ffff:)?(0\.|10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.)|^::1?$|^f[cd][0-9a-f]{2}:|^fe[89ab][0-9a-f]:');

-- Near enough to be one place: a /24 of IPv4 and a /64 of IPv6 (as the kube-apiserver writes it, shortened).
CREATE MACRO address_place(address) AS
    CASE WHEN contains(address, ':') THEN array_to_string(string_split(split_part(address, '::', 1), ':')[1:4], ':') || '::/64'
         ELSE regexp_replace(address, '\.[0-9]+$', '.0/24') END;

-- The bits of an address as a text of 0 and 1 (32 or 128 of them); null for what is none.
CREATE MACRO address_bits(address) AS
    CASE WHEN contains(address, ':') THEN
             array_to_string(list_transform(
                 list_concat(
                     list_filter(string_split(split_part(address, '::', 1), ':'), lambda part: part <> ''),
                     list_transform(range(CASE WHEN contains(address, '::')
                         THEN 8 - len(list_filter(string_split(replace(address, '::', ':'), ':'), lambda part: part <> '')) ELSE 0 END), lambda part: '0'),
                     list_filter(string_split(split_part(address, '::', 2), ':'), lambda part: part <> '')),
                 lambda part: lpad(bin(TRY_CAST('0x' || part AS BIGINT)), 16, '0')), '')
         WHEN regexp_full_match(address, '[0-9]{1,3}(\.[0-9]{1,3}){3}') THEN
             array_to_string(list_transform(string_split(address, '.'), lambda part: lpad(bin(part::BIGINT), 8, '0')), '')
    END;

-- The address lies in one of the networks, each an address or a CIDR.
CREATE MACRO in_networks(address, networks) AS
    coalesce(list_bool_or(list_transform(networks, lambda network:
        length(address_bits(address)) = length(address_bits(split_part(network, '/', 1)))
        AND starts_with(address_bits(address), substr(address_bits(split_part(network, '/', 1)), 1,
            CASE WHEN contains(network, '/') THEN split_part(network, '/', 2)::BIGINT ELSE 128 END)))), false);

-- Somebody who is neither a service account nor a node nor the control plane nor nobody: people, and whatever
-- else has a certificate or a login.
CREATE MACRO is_person(user_name, user_groups, source_ip, service_account_name) AS
    coalesce(service_account_name IS NULL AND NOT is_node(user_name, user_groups) AND NOT is_control_plane(user_name, user_groups, source_ip)
             AND NOT is_anonymous(user_name, user_groups), false);

-- The prefix that an issuer of logins puts before the names of its users: 'https://login.example#' or 'oidc:'.
CREATE MACRO issuer_of(user_name) AS nullif(regexp_extract(user_name, '^(https://[^#]+#|[A-Za-z0-9_.-]+:)'), '');

-- One row per hour, identity, credential and address: who came from where with what, since when, how often.
-- hour: hours since 1970; event_id: the first of these requests.
CREATE VIEW appearances AS
WITH counted AS (
    SELECT cluster, user_name, user_groups, credential_id, source_ip, epoch_us(request_received_at) // 3600000000 AS hour,
           max(service_account_namespace) AS service_account_namespace, max(service_account_name) AS service_account_name,
           max(pod_uid) AS pod_uid, max(pod_name) AS pod_name, max(node_name) AS node_name,
           arg_min(event_id, (request_received_at, event_id)) AS event_id,
           min(request_received_at) AS first_at, max(request_received_at) AS last_at, count(*) AS requests
    FROM requests
    WHERE user_name IS NOT NULL AND source_ip IS NOT NULL
    GROUP BY ALL
)
SELECT *, is_node(user_name, user_groups) AS node, is_control_plane(user_name, user_groups, source_ip) AS control_plane,
       coalesce(list_has_any(user_groups, ['system:masters', 'kubeadm:cluster-admins']), false) AS administrator,
       is_person(user_name, user_groups, source_ip, service_account_name) AS person,
       is_public_address(source_ip) AS public,
       first_at - min(first_at) OVER (PARTITION BY cluster) AS cluster_known_for
FROM counted
WHERE NOT is_anonymous(user_name, user_groups);

-- Addresses at which the cluster itself lives: its nodes, its controller manager and scheduler, and whatever is
-- behind the same translation of addresses. A public address is a node's own only where it has no private one, so
-- that a node's stolen credential does not whitewash the thief's address.
CREATE VIEW cluster_addresses AS
WITH machines AS (
    SELECT cluster, user_name, source_ip, control_plane, public,
           bool_or(NOT public) OVER (PARTITION BY cluster, user_name) AS has_private
    FROM appearances WHERE node OR control_plane
)
SELECT DISTINCT cluster, source_ip FROM machines WHERE control_plane OR NOT public OR NOT has_private;
