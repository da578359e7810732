DROP FUNCTION hold_end, hold_capture, hold_place;
