"""Scenes in words: what usually counts as abnormal in front of a camera, and what a camera sees nearly all the time.

They were written from the names of the usual kinds of incident and from everyday life, not from any model's answers.
Definitions of a user's own take the place of the first list. Knows no model and no score.
"""

from __future__ import annotations

ABNORMAL: tuple[str, ...] = (
    # abuse
    "An adult is beating a child.",
    "A person hits an elderly woman who cannot defend herself.",
    "A man kicks a dog that is tied up.",
    "Somebody is being dragged across the floor by the arm.",
    "A caretaker shakes and slaps a helpless person.",
    # arrest
    "Police officers hold a man down on the ground and handcuff him.",
    "Armed officers surround a car and pull the driver out.",
    "An officer chases a suspect on foot and tackles him.",
    "A man kneels with his hands behind his head while police point guns at him.",
    # arson
    "A person pours liquid on the floor and sets it on fire.",
    "Somebody throws a burning bottle at a house.",
    "A man lights a fire next to a car and runs away.",
    "Flames and thick smoke rise from a building.",
    # assault
    "A man attacks a passer-by from behind.",
    "Several people punch and kick somebody who lies on the ground.",
    "A man strikes another person with a stick.",
    "Somebody stabs a person with a knife.",
    # burglary
    "A masked person breaks a window and climbs into a house.",
    "Somebody forces a door open with a crowbar at night.",
    "Intruders search drawers in a dark room.",
    "A person climbs over a fence to get into private property.",
    # explosion
    "There is a bright explosion, and debris flies through the air.",
    "A blast blows out the windows, and people run for their lives.",
    "A gas tank bursts into a ball of fire.",
    "A cloud of dust and smoke covers the street after a blast.",
    # fight
    "Two men are fighting and throwing punches at each other.",
    "A crowd brawls in front of a bar.",
    "People push, wrestle and hit each other.",
    "A person is knocked to the ground in a fight.",
    # road accident
    "Two cars crash into each other at a crossing.",
    "A car hits a pedestrian, who falls onto the road.",
    "A motorcyclist slides across the road after a collision.",
    "A truck overturns and blocks the road.",
    "A vehicle leaves the road and runs into a wall.",
    # robbery
    "A man points a gun at a cashier and demands money.",
    "Masked robbers storm into a shop.",
    "Somebody snatches a woman's handbag and runs away.",
    "An armed man forces people to lie on the floor.",
    "A man jumps over the counter and empties the till.",
    # shooting
    "A man fires a gun at people.",
    "Somebody shoots from a moving car.",
    "A person falls down after being shot.",
    "People duck and run for cover from gunfire.",
    # shoplifting
    "A customer hides goods under a jacket without paying.",
    "A woman slips things from a shelf into her bag and looks around.",
    "A person walks out of a shop with stolen goods.",
    # stealing
    "A thief breaks into a parked car and takes things out of it.",
    "Two men load a stolen motorcycle onto a van.",
    "Somebody takes a bag while its owner looks away.",
    "A person cuts the lock of a bicycle and rides off with it.",
    # vandalism
    "A person smashes a shop window with a hammer.",
    "Somebody sprays paint on a wall.",
    "A man kicks and damages a parked car.",
    "Youths tear down a sign and throw stones.",
    # any other
    "A person lies motionless on the ground.",
    "People run away in panic.",
    "A person collapses and others rush to help.",
    "A person wearing a mask carries a weapon.",
)

CALM: tuple[str, ...] = (
    # nobody
    "An empty street with parked cars.",
    "A quiet room with nobody in it.",
    "A parking lot with no movement.",
    "A closed gate in front of a house.",
    "A corridor with closed doors and nobody around.",
    "An empty road at night lit by street lamps.",
    "A building and trees on a sunny day.",
    "The inside of a shop with full shelves and no customers.",
    "A camera view of a yard where nothing happens.",
    "A black screen with a title or a logo.",
    # on foot
    "A person walks along the sidewalk.",
    "Pedestrians cross the street at a crossing.",
    "People walk in and out of a building.",
    "A woman pushes a pram through a park.",
    "A man walks his dog.",
    "Two people stand and talk to each other.",
    "People wait at a bus stop.",
    "A person waits in front of a door.",
    "A child plays in the yard while a parent watches.",
    "A group of friends walks by.",
    # traffic
    "Cars drive along a road in both directions.",
    "Traffic flows smoothly through an intersection.",
    "A car stops at a red light.",
    "A car turns into a driveway and parks.",
    "A bus stops and people get on.",
    "A truck drives past.",
    "A person rides a bicycle on the street.",
    "A motorcycle passes by.",
    "A person gets out of a parked car.",
    "A delivery van stops in front of a house.",
    # shops and counters
    "Customers look at goods on the shelves.",
    "A customer pays at the counter.",
    "A cashier serves customers at the till.",
    "An employee puts goods on the shelves.",
    "People stand in line at a checkout.",
    "A man buys something and leaves the shop.",
    "A shopkeeper stands behind the counter.",
    "A woman tries on clothes in a shop.",
    "A man fills up his car at a petrol station.",
    "A person draws money from a cash machine.",
    # work and rest
    "People sit at desks and work on computers.",
    "An employee talks on the phone in an office.",
    "Workers carry boxes in a warehouse.",
    "A cleaner mops the floor.",
    "People sit at tables in a restaurant and eat.",
    "A waiter brings food to a table.",
    "People sit on a bench and rest.",
    "A guard sits at a desk in a lobby.",
    "A man works on a car in a garage.",
    "Passengers wait on a platform.",
    # homes and animals
    "A person opens the front door and enters the house.",
    "A man puts out the rubbish.",
    "A person waters plants in the garden.",
    "A family sits together in a living room.",
    "A person cooks in the kitchen.",
    "A cat walks across the yard.",
    "A dog lies on the ground and rests.",
    "Birds sit on a roof.",
    "People ride up in a lift.",
    "Guests enter and leave a hotel lobby.",
)
