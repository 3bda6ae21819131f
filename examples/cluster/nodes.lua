-- Where the nodes of this example are: the file of the config key `cluster`, the same for both.
bank = "127.0.0.1:7030"
shop = "127.0.0.1:7031"
