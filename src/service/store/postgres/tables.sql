create table agi_rhai_value (key bytea primary key, value text not null, expires float8);
create index agi_rhai_value_expires on agi_rhai_value (expires) where expires is not null;
create sequence agi_rhai_entry;
create table agi_rhai_board (
    board bytea, name bytea, score float8 not null, is_whole boolean not null, entry bigint not null,
    primary key (board, name)
);
create index agi_rhai_board_order on agi_rhai_board (board, score desc, entry);
create table agi_rhai_job (
    id bigserial primary key, kind text not null, subject text not null, content text not null,
    created float8 not null, due float8 not null, attempts integer not null default 0, error text, owner text,
    until float8
);
create index agi_rhai_job_due on agi_rhai_job (due, id);
create table agi_rhai_store (version integer not null);
insert into agi_rhai_store values (1);
