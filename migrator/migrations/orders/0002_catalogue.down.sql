DROP TABLE item_sales;
DROP TABLE item_stock;
DROP TABLE item_prices;
DROP TABLE items;
DROP FUNCTION items_begin_unsold();
DROP TABLE currencies;
DROP EXTENSION btree_gist;
DROP EXTENSION pg_trgm;
