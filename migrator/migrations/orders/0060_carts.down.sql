DROP TRIGGER orders_take_cart ON orders;
DROP FUNCTION orders_take_cart();
DROP TABLE cart_lines;
DROP TABLE carts;
