-- Ana and Bea.
INSERT INTO users (id, username, username_canonical, full_name, email, email_canonical, phone, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-0000000000a1', 'Ana', 'ana', 'Ana', 'Ana@a.example', 'ana@a.example', '+5491123456789', now(), now()),
       ('00000000-0000-7000-8000-0000000000a2', 'Bea', 'bea', 'Bea', 'b@b.example', 'b@b.example', NULL, now(), now());
INSERT INTO credentials (user_id, password, changed_at)
VALUES ('00000000-0000-7000-8000-0000000000a1', '$argon2id$v=19$x', now());
INSERT INTO identities (provider, subject, user_id, created_at)
VALUES ('google', '1', '00000000-0000-7000-8000-0000000000a1', now());
INSERT INTO audit_log (id, at, event) VALUES ('00000000-0000-7000-8000-0000000000b1', now(), 'user.login');
