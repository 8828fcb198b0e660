ran("broker");
